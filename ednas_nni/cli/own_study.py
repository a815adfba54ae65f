"""A study for a folder of your own photos: tasks, sizes and fit from what is in it."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ednas_nni.cli.data_command import draft_into, snippet
from ednas_nni.data import DATASETS, drafting
from ednas_nni.data.kinds import all_kinds
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.shapes import HEADERS, shapes, sizes
from ednas_nni.errors import DataError

STRIDE, SOME = 16, (64, 128)  # of networks; a size
OTHER_STUDY = " experiments/separate.yml trains every network alone instead."  # which is not written beside this one


def study_of(folder: Path, out: Path, template: str, fill: Sequence[str]) -> str:
    """The text of a study for a folder, from one that ships; a manifest is drafted into `out` where there is none.

    Raises:
        DataError: Nothing in the folder is an image with a label.
    """
    from ednas_nni.tasks.base import TASKS  # torch

    entry = drafting.recognise(folder)
    if entry is not None and fill:
        there = f" (`ednas data init {folder} --fill ...` fills it)" if entry["name"] == "manifest" else ""
        raise DataError(f"--fill: {folder} has a {entry['name']}{there}, so nothing is drafted. Leave --fill out.")
    if entry is None:
        drafted, _ = draft_into(folder, out, fill, False)
        images = [folder / row[drafting.IMAGE] for row in drafted.rows[:HEADERS]]
        entry = {"name": "manifest", "folder": str(out), "allow_outside": True}
        labels = [kind.name for kind in all_kinds() if any(kind.column in row for row in drafted.rows)]
    else:
        factory = DATASETS.load(str(entry["name"]))
        size = {"size": SOME} if "size" in inspect.signature(factory).parameters else {}  # records do not depend on it
        source = factory(**size, **{k: v for k, v in entry.items() if k != "name"})
        records = source.records["train"][:HEADERS] if isinstance(source, FolderSource) else []
        images = [record.files["image"] for record in records if "image" in record.files]
        labels = list(source.info.targets)
        if "allow_outside" in entry:
            print(f"The manifest in {folder} names files outside of it; the study allows that: allow_outside: true")
    tasks = [name for name in labels if name in TASKS]
    if not tasks:
        raise DataError(f"{folder}: has no labels of a task. `ednas data init {folder}` says what was looked for.")
    seen = shapes(images)
    train, deploy, fit = sizes(seen)
    if fit:
        entry["fit"] = fit
        listed = ", ".join(f"{number} of {h} x {w}" for (h, w), number in Counter(seen).most_common(3)) or "unknown"
        print(
            f"The images have other shapes than train_size ({listed}): each is shown whole, the rest is filled and "
            "never scored (fit: letterbox). In the study, `fit: crop` uses the middle, `fit: resize` stretches."
        )
    shares = [1, *(s for s in (0.75, 0.5) if not any(side * s % STRIDE for side in train + deploy))]
    lines = {
        "space": f"{{name: compound, resolution: {shares}}}   # shares of these sizes that its stride divides",
        "tasks": f"[{', '.join(tasks)}]   # learned by one network together",
        "data": f"{snippet(entry).removeprefix('data: ')}   # {folder}",
        "train_size": f"{list(train)}   # height and width in pixels that networks train at: small, to be quick",
        "deploy_size": f"{list(deploy)}   # height and width on the device: all costs are computed for this size",
        "constraints": "[]   # such as latency_ms <= 10; `ednas plan` says what networks cost",
    }
    head = f"# A search for small networks for the photos in {folder}, fast on an Edge TPU.\n"
    text = head + template[template.index("#\n") :].replace(OTHER_STUDY, "")
    named = rf"^    ({'|'.join(lines)}): .*$"
    return re.sub(named, lambda line: f"    {line[1]}: {lines[line[1]]}", text, flags=re.M)
