"""The contract of a label kind, for a test of its author: `check_label_kind(Saliency, values)`.

All checks raise `PluginError` with what is wrong and how to correct it; each can also be called alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ednas_nni.compat.vision import functional as F
from ednas_nni.data.class_table import ClassTable
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds import LabelKind, Storage, all_kinds
from ednas_nni.data.targets import Label
from ednas_nni.testing.rules import rule


def check_label_kind(kind: type[LabelKind[Any]], values: Array, facts: LabelFacts | None = None) -> None:
    """Run the whole contract.

    Values are labels of some images, (N, H, W[, C]), that look like real ones: every image has valid pixels, and some
    pixels are invalid. `facts` say what they mean, where the kind asks.
    """
    one, facts = kind(), facts or LabelFacts(targets=())
    check_names(one)
    check_arrays(one, values, facts)
    check_tensor(one, values, facts)
    check_files(one, values, facts)
    check_drawing(one, values, facts)
    check_survey(one, values, facts)


def check_names(kind: LabelKind[Any]) -> None:
    """Arrays, columns and words meet those of no other kind."""
    plain = kind.name.isidentifier() and kind.name == kind.name.lower() and kind.name != "image"
    rule(kind, plain, "its name is that of arrays; write a lower-case identifier other than 'image'.")
    others = [other for other in all_kinds() if other.name != kind.name]
    taken = {
        "image",
        "group",
        "split",
        *(name for other in others for name in (other.column, other.mask, *other.details)),
    }
    both = sorted(taken & {kind.column, kind.mask, *kind.details} - {""})
    rule(kind, not both, f"the columns {both} of a manifest belong to others; rename them.")
    both = sorted(kind.words.intersection(*[frozenset().union(*(other.words for other in others))]))
    rule(kind, not both, f"the words {both} tell files of another kind; leave them out.")
    lower = all(word == word.lower() and word.isalnum() for word in kind.words)
    rule(kind, lower, "words are compared with the parts of paths; write them in lower case, letters and digits.")
    extra = sorted(set(kind.same) - set(kind.details))
    rule(kind, not extra, f"`same` names {extra}, which `details` does not parse.")


def check_arrays(kind: LabelKind[Any], values: Array, facts: LabelFacts) -> None:
    """Types, shapes and the invalid rule agree."""
    shape = (*values.shape[:3], *kind.channels)
    rule(kind, values.shape == shape, f"values have the shape {values.shape}; with its channels it is {shape}.")
    rule(kind, values.dtype == kind.dtype, f"values are {values.dtype}, but dtype is {kind.dtype!r}.")
    valid = kind.valid(values, facts)
    good = valid.dtype == bool and valid.shape == values.shape[:3]
    rule(kind, good, f"valid gives {valid.dtype} {valid.shape}; it must be bool {values.shape[:3]}.")
    some = bool(valid.any((1, 2)).all()) and not valid.all()
    rule(kind, some, "hand over images that all have valid pixels, and some pixels that are invalid.")
    empty = kind.empty(values.shape[1:3], facts)
    good = empty.shape == values.shape[1:] and empty.dtype == values.dtype
    rule(kind, good, f"empty gives {empty.dtype} {empty.shape}; it must be {values.dtype} {values.shape[1:]}.")
    rule(kind, not kind.valid(empty, facts).any(), "a label that an image lacks has valid pixels; see `invalid`.")


def check_tensor(kind: LabelKind[Any], values: Array, facts: LabelFacts) -> None:
    """Batches move with the picture and blend nothing; what comes from outside is invalid."""
    tensor = kind.tensor(values, facts)
    good = isinstance(tensor, Label) and tensor.shape[-2:] == values.shape[1:3] and len(tensor) == len(values)
    rule(kind, good, "tensor must be a batch (N, [C,] H, W) of a type derived from ednas_nni.data.targets.Label.")
    valid = kind.valid(values, facts)
    height, width = values.shape[1:3]

    def moved(what: str, move: Callable[[Any], Any], expected: NDArray[np.bool_]) -> None:
        after = move(kind.tensor(values, facts))
        rule(kind, type(after) is type(tensor), f"{what} gives a {type(after).__name__}, not its own type.")
        labelled = after.as_subclass(torch.Tensor) != type(tensor).invalid
        labelled = labelled.any(1) if labelled.ndim == 4 else labelled
        rule(
            kind,
            np.array_equal(labelled.numpy(), expected),
            f"{what}: other pixels are valid than those of the moved picture. Is `invalid` of the tensor's type what "
            "invalid pixels hold, and does it survive `mirrored` and `rescaled`?",
        )

    moved("tensor", lambda x: x, valid)
    moved("horizontal_flip", F.horizontal_flip, valid[:, :, ::-1])
    moved("vertical_flip", F.vertical_flip, valid[:, ::-1])
    outside = np.pad(valid, ((0, 0), (1, 0), (2, 0)))[:, :height, :width]
    moved("crop", lambda x: F.crop(x, -1, -2, height, width), outside)
    moved("resize", lambda x: F.resize(x, [2 * height, 2 * width]), valid.repeat(2, 1).repeat(2, 2))
    part = valid[:, : height // 2, : width // 2].repeat(2, 1).repeat(2, 2)
    zoomed = [height // 2 * 2, width // 2 * 2]
    moved("resized_crop", lambda x: F.resized_crop(x, 0, 0, height // 2, width // 2, zoomed), part)
    for flip in (F.horizontal_flip, F.vertical_flip):
        twice = flip(flip(kind.tensor(values, facts)))
        rule(kind, torch.equal(twice, kind.tensor(values, facts)), "flipped twice, it is not the same.")


def check_files(kind: LabelKind[Any], values: Array, facts: LabelFacts) -> None:
    """What is stored is read again, and fitting changes nothing that is right already."""
    same = kind.fit(values[0], values[0], 1.0, facts, "values[0]")
    good = same.dtype == values.dtype and np.array_equal(same, values[0], equal_nan=values.dtype.kind == "f")
    rule(kind, good, "fit changes values that a split may hold; it must only check them and mark invalid ones.")
    labels = Storage(classes=ClassTable(dict(enumerate(facts.classes))))
    for exact in (False, True):
        store = kind.storing(values, facts, exact)
        for number, label in enumerate(values):
            stored, cells = store(label)
            extra = sorted(set(cells) - set(kind.details))
            rule(kind, not extra, f"storing gives the cells {extra}, for which there are no `details`.")
            details = {name: kind.details[name](text) for name, text in cells.items()}
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"label.{'npy' if stored.dtype.kind == 'f' else 'png'}"
                np.save(path, stored) if path.suffix == ".npy" else Image.fromarray(stored).save(path)
                again = kind.read(path, Storage(details, labels.classes))
            again = kind.fit(again, again, 1.0, facts, "what was stored")
            same_pixels = np.array_equal(kind.valid(again, facts), kind.valid(label, facts))
            rule(kind, same_pixels, f"image {number}: other pixels are valid after it was stored and read.")
            if values.dtype.kind == "f":
                error = float(np.abs(again.astype(float) - label.astype(float)).max())
                close = error <= 0.01 * float(np.abs(label.astype(float)).max())
            else:
                close = np.array_equal(again, label)
            rule(kind, close, f"image {number}: it has other values after it was stored and read.")


def check_drawing(kind: LabelKind[Any], values: Array, facts: LabelFacts) -> None:
    """It has colours, black where it is invalid, and a legend that fits."""
    drawing, valid = kind.drawing(values, facts), kind.valid(values, facts)
    colors = drawing.colors(values[0])
    good = colors.dtype == np.uint8 and colors.shape == (*values.shape[1:3], 3)
    rule(kind, good, f"colors gives {colors.dtype} {colors.shape}; it must be uint8 {(*values.shape[1:3], 3)}.")
    rule(kind, not colors[~valid[0]].any(), "invalid pixels are not black.")
    rule(kind, bool(drawing.title.strip()), "the drawing has no title.")
    for width in (120, 512):
        drawing.legend(Image.new("RGB", (width, drawing.legend_height(width))), 0, 0, width)
    blank = kind.empty(values.shape[1:3], facts)
    kind.drawing(blank[None], facts).colors(blank)  # a sheet may show images that lack the label


def check_survey(kind: LabelKind[Any], values: Array, facts: LabelFacts) -> None:
    """The survey counts images that have the label, and tells of them, also where there are none."""
    sums, nothing = kind.survey(facts), kind.survey(facts)
    blank = kind.empty(values.shape[1:3], facts)
    rule(kind, not (sums.add(blank) or sums.images), "the survey counts an image that lacks the label.")
    for label in values:
        rule(kind, sums.add(label), "the survey does not say that an image has the label.")
    rule(kind, sums.images == len(values), f"the survey counts {sums.images} of {len(values)} images.")
    for train in (sums, nothing):
        table = kind.table({"train": train, "test": nothing}, facts)
        good = bool(table.rows) and all(len(row) == len(table.columns) for row in table.rows)
        rule(kind, good, "the table has rows with another number of cells than columns, or none.")
    texts = list(kind.suspicions(sums, facts))
    rule(kind, all(isinstance(text, str) for text in texts), "suspicions must be texts.")
