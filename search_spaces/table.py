"""An architecture for people: a table of its parts, drawn as the tree in which tasks leave the shared trunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ednas_nni.nn import sharing
from ednas_nni.nn.encoders import ENCODERS, FEATURES, LABEL
from ednas_nni.nn.fusion import LEVELS
from ednas_nni.nn.sizes import OUTPUT_STRIDE, RESOLUTION
from ednas_nni.nn.spec import TemplateSpec
from ednas_nni.space.domains import Domains, Sample, Scalar


class PartRow(NamedTuple):
    """One line of the table."""

    part: str
    stride: str
    channels: str
    blocks: str


def table(
    domains: Domains,
    spec: TemplateSpec,
    tasks: Sequence[str],
    sample: Mapping[str, Scalar],
    encoder_files: Mapping[str, Path] | None = None,
) -> str:
    """Every part with its stride, channels and blocks, one line each, from the image to the heads."""
    drawing = _Drawing(spec, tasks, domains.active(sample))
    rows = [PartRow(*PartRow._fields), *drawing.beginning(encoder_files or {}), *drawing.trunk(0, tasks)]
    return f"architecture {domains.architecture_id(sample)}\n" + "\n".join(_aligned(rows))


class _Drawing:
    """Rows of one architecture; what lies below a branch is indented by its lines."""

    def __init__(self, spec: TemplateSpec, tasks: Sequence[str], active: Sample) -> None:
        self.spec = spec
        self.active = active
        only = spec.sharing[0] if len(tasks) > 1 else "shared"
        self.way = {task: str(active.get(sharing.label(task), only)) for task in tasks}
        self.stride = str(active.get(OUTPUT_STRIDE, spec.heads.stride[0]))
        self.stages = 0 if spec.encoders else int(active.get(LEVELS) or len(spec.stages))

    def beginning(self, files: Mapping[str, Path]) -> list[PartRow]:
        """What the image is shrunk to, where it is; the stem, or the published encoder and what it starts from."""
        active = self.active
        share = active.get(RESOLUTION, self.spec.resolution[0])
        image = [] if share == 1 else [PartRow("image", "1", "3", f"{share} of height and width")]
        if not self.spec.encoders:
            return [*image, PartRow("stem", "2", str(self.active.get("stem_width", self.spec.stem[0])), "conv_k3")]
        name = str(active.get(LABEL, self.spec.encoders[0]))
        start = f"weights of {files[name].name}" if name in files else "random weights"
        levels = int(active.get(LEVELS) or max(self.spec.fusion.levels, default=FEATURES))
        channels = "-".join(map(str, ENCODERS[name].channels[:levels]))
        return [*image, PartRow("encoder", f"4-{2 ** (levels + 1)}", channels, f"{name}, {start}")]

    def trunk(self, i: int, tasks: Sequence[str]) -> list[PartRow]:
        """The shared part from stage number i (from 0) on, for the tasks that read it."""
        end = self.stages
        leaves = [t for t in tasks if self.way[t] != "shared" and sharing.trunk_stages(self.way[t], end) == i]
        stays = [task for task in tasks if task not in leaves]
        parts: list[Callable[[], list[PartRow]]] = []
        if stays and i < end:
            parts.append(lambda: [self._stage("", i), *self.trunk(i + 1, stays)])
        elif stays:
            parts.append(lambda: [self._fusion(""), *_branches([self._head(task) for task in stays])])
        parts += [partial(self._private, task, i) for task in leaves]
        return _branches([part() for part in parts])

    def _private(self, task: str, first: int) -> list[PartRow]:
        stages = [self._stage(f"{task}_", i) for i in range(first, self.stages)]
        return [*stages, self._fusion(f"{task}_"), *self._head(task)]

    def _stage(self, prefix: str, i: int) -> PartRow:
        stage, name = self.spec.stages[i], f"{prefix}stage{i + 1}"
        depth = int(self.active.get(f"{name}_depth") or stage.depth[0])
        ops = [str(self.active.get(f"{name}_block{j}_op", stage.ops[0])) for j in range(1, depth + 1)]
        width = self.active.get(f"{name}_width", stage.channels[0])
        return PartRow(name.replace("_", " "), str(2 ** (i + 2)), str(width), "  ".join(ops))

    def _fusion(self, prefix: str) -> PartRow:
        kind = self.active.get(f"{prefix}fusion", self.spec.fusion.kinds[0])
        width = self.active.get("fusion_width", self.spec.fusion.channels[0])
        return PartRow(f"{prefix}fusion".replace("_", " "), self.stride, str(width), str(kind))

    def _head(self, task: str) -> list[PartRow]:
        kind = self.active.get(f"{task}_head", self.spec.heads.kinds[0])
        width = self.active.get(f"{task}_head_width", self.spec.heads.channels[0])
        return [PartRow(f"{task} head", self.stride, str(width), str(kind))]


def _branches(parts: Sequence[Sequence[PartRow]]) -> list[PartRow]:
    """Several continuations of one trunk; a single one just goes on."""
    if len(parts) == 1:
        return list(parts[0])
    rows = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        for line, row in enumerate(part):
            mark = ("└─ " if last else "├─ ") if line == 0 else ("   " if last else "│  ")
            rows.append(row._replace(part=mark + row.part))
    return rows


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{'>' if i in (1, 2) else '<'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
