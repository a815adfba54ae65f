"""From a picture of any size to predictions of that size, and a picture of these."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ednas_nni.data.info import Array, DataInfo, LabelFacts
from ednas_nni.data.kinds import LabelKind, label_kind
from ednas_nni.data.layouts.fitting import inner_size, placed
from ednas_nni.data.palette import INK, PAPER, font
from ednas_nni.errors import NetworkError
from ednas_nni.networks import pictures
from ednas_nni.record.whole_file import write_whole

if TYPE_CHECKING:
    from ednas_nni.networks.network import Network
    from ednas_nni.networks.runtime import Runtime
    from ednas_nni.tasks.base import Task

STRIP = 1 << 22
"""Values of the raw output, enlarged, that are held at a time."""


@dataclass(frozen=True)
class Prediction(Mapping[str, Array]):
    """What a network says of one picture: task -> array of the picture's size.

    Attributes:
        image: uint8 (H, W, 3), upright.
        arrays: Task -> classes uint8 (H, W), numbers float32 (H, W) or directions float32 (H, W, 3).
        units: Task -> unit of its numbers; "" where they have none.
        notes: What was done to the picture that one should know.
        kinds: Task -> the label kind that it is drawn as, and what its values mean.
    """

    image: NDArray[np.uint8]
    arrays: Mapping[str, Array]
    units: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kinds: Mapping[str, tuple[LabelKind[Any], LabelFacts]] = field(default_factory=dict, repr=False)

    def __getitem__(self, task: str) -> Array:
        return self.arrays[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __repr__(self) -> str:
        parts = (
            f"{task} {array.dtype} {array.shape} {self.units.get(task, '')}".rstrip() for task, array in self.items()
        )
        return f"Prediction({', '.join(parts)})"

    def picture(self, most: int = 1600) -> Image.Image:
        """The image and each task beside it, legends below.

        Args:
            most: Pixels that the sheet is wide at most.
        """
        return _sheet(self, most)

    def show(self) -> None:
        """Open the picture in the desktop's viewer; in a notebook, the prediction draws itself."""
        self.picture().show()

    def save(self, path: str | Path) -> Path:
        """Write the picture, as PNG or as the suffix says."""
        path = Path(path).expanduser()
        kind = Image.registered_extensions().get(path.suffix.lower())
        if kind is None:
            raise NetworkError(f"{path}: pictures are written as .png or .jpg, for example {path.with_suffix('.png')}.")
        write_whole(path, lambda file: self.picture().save(file, kind))
        return path

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.picture().save(buffer, "PNG")
        return buffer.getvalue()


def predict(network: Network, picture: pictures.Picture, runtime: Runtime) -> Prediction:
    """See `Network.predict`."""
    image, notes = pictures.read(picture)
    padded, inner = fitted(image, runtime.size, network.description.stretched)
    inputs = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    outputs = runtime.run(inputs)
    lacking = [name for name in network.tasks if name not in outputs]
    if lacking:
        raise NetworkError(f"The runtime gives {', '.join(outputs)}, but no {', '.join(lacking)}.")
    info = network.description.data.info()
    units = {name: output.unit for name, output in network.description.tasks.items()}
    arrays, kinds = {}, {}
    for name, task in network.tasks.items():
        output = torch.from_numpy(np.ascontiguousarray(outputs[name]))
        # What of the output shows the picture; it may be coarser than the input, so no whole number of its pixels.
        covered = (inner[0] * output.shape[-2] / runtime.size[0], inner[1] * output.shape[-1] / runtime.size[1])
        reads = task if runtime.outputs == "raw" and output.is_floating_point() else None
        arrays[name] = enlarged(output, image.shape[:2], reads, info.ignore_index, covered)
        if units[name] == "px":  # of the width trained at; here of this picture
            trained = network.description.train_size[1] / runtime.size[1]
            arrays[name] = arrays[name] * np.float32(image.shape[1] / (inner[1] * trained))
        kinds[name] = _kind(task, arrays[name], info)
    return Prediction(image, arrays, units, notes, kinds)


def fitted(
    image: NDArray[np.uint8], size: tuple[int, int], stretched: bool = False
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A picture uint8 (H, W, 3) at a network's size, as in its training, and the height and width that show it.

    It is letterboxed (see `inner_size`), or else stretched.
    """
    inner = size if stretched else inner_size(image.shape, size)
    return placed(image, inner, size), inner


def enlarged(
    output: Tensor, size: tuple[int, int], task: Task | None, none: int, covered: tuple[float, float] | None = None
) -> Array:
    """Predictions (H, W) or (H, W, C) at a size, of raw outputs (1, C, h, w), or without a task of predictions.

    A task reads raw outputs after they were enlarged (bilinear, half-pixel centres), as metrics are taken. `none` is
    the label of pixels that have no class because the output is not a number. `covered` are the rows and columns of the
    output that are enlarged, all by default: of 16 rows 9.25 may show a picture above what a letterbox fills.
    """
    # Strips of rows: the logits of 13 classes of a 12-megapixel photo would be 600 MB. Columns are enlarged first, for
    # all rows; a strip then mixes the two rows above and below each of its own.
    height, width = size
    rows, columns = covered or output.shape[-2:]
    if task is None and not output.is_floating_point():
        down, across = ((torch.arange(n) + 0.5) * (part / n) for n, part in ((height, rows), (width, columns)))
        return _as_array(output[..., down.long()[:, None], across.long()], none)
    output = output.float() if output.ndim == 4 else output.float()[:, None]
    left, right, share = _between(width, columns, output.shape[3])
    wide = output[..., left].lerp(output[..., right], share)
    above, below, share = _between(height, rows, output.shape[2])
    strip = max(1, STRIP // (output.shape[1] * width))
    parts = []
    for top in range(0, height, strip):
        part = slice(top, top + strip)
        raw = wide[:, :, above[part]].lerp(wide[:, :, below[part]], share[part, None])
        parts.append(_as_array(raw if task is None else task.predict(raw), none))
    return np.concatenate(parts)


def _between(count: int, covered: float, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of `count` pixels over the first `covered` of `length` values: the value before each, that after it, its way."""
    centres = ((torch.arange(count) + 0.5) * (covered / count) - 0.5).clamp(0, length - 1)
    first = centres.floor().long()
    return first, (first + 1).clamp(max=length - 1), centres - first


def _as_array(values: Tensor, none: int) -> Array:
    values = values[0]
    if values.ndim == 3:
        values = values.movedim(0, -1)
        values = values[..., 0] if values.shape[-1] == 1 else values
    if values.is_floating_point():
        return values.to(torch.float32).numpy()
    return values.where((values >= 0) & (values <= 255), none).to(torch.uint8).numpy()


def _kind(task: Task, values: Array, info: DataInfo) -> tuple[LabelKind[Any], LabelFacts]:
    """The label kind that a prediction is drawn as: that of the task's own labels where it has their channels."""
    facts: LabelFacts = replace(info, classes=tuple(task.legend), ignore_index=255) if task.legend else info
    numbers = values.dtype.kind == "f"
    for name in dict.fromkeys((*task.requires, "depth" if numbers else "segmentation", "normals")):
        kind = label_kind(name)
        if kind.channels == values.shape[2:] and not (numbers and task.legend):
            return kind, facts
    raise NetworkError(f"Predictions of {task.name!r} have the shape {values.shape}, which no label kind has.")


def _sheet(prediction: Prediction, most: int) -> Image.Image:
    gap, margin, head = 6, 18, 34
    count = 1 + len(prediction)
    height, width = prediction.image.shape[:2]
    across = max(280, min(width, (most - 2 * margin - (count - 1) * gap) // count))
    cell = (across, max(1, round(across * height / width)))
    lefts = [margin + i * (across + gap) for i in range(count)]
    drawn = {t: np.nan_to_num(prediction[t]).astype(kind.dtype) for t, (kind, _) in prediction.kinds.items()}
    drawings = {task: kind.drawing(drawn[task][None], facts) for task, (kind, facts) in prediction.kinds.items()}
    foot = max([64, *(drawing.legend_height(across) for drawing in drawings.values())])
    sheet = Image.new("RGB", (lefts[-1] + across + margin, 2 * margin + head + cell[1] + foot), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((lefts[0], margin + 4), f"{width} x {height}", INK, font(15))
    sheet.paste(Image.fromarray(prediction.image).resize(cell, Image.Resampling.BILINEAR), (lefts[0], margin + head))
    for left, task in zip(lefts[1:], prediction, strict=True):
        drawing = drawings[task]
        draw.text((left, margin + 4), task, INK, font(15))
        step = max(1, min(height // cell[1], width // cell[0]))
        picture = Image.fromarray(drawing.colors(drawn[task][::step, ::step]))
        sheet.paste(picture.resize(cell, Image.Resampling.NEAREST), (left, margin + head))
        drawing.legend(sheet, left, margin + head + cell[1] + 14, across)
    return sheet
