"""An architecture for people: a table of its parts, drawn as the tree in which tasks leave the shared trunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ednas_nni.nn import sharing
from ednas_nni.nn.encoders import ENCODERS, LABEL
from ednas_nni.nn.spec import TemplateSpec
from ednas_nni.space.domains import Domains

Row = tuple[str, str, str, str]
_ALIGNED = ("part", "stride", "channels", "blocks")


def table(
    domains: Domains,
    spec: TemplateSpec,
    tasks: Sequence[str],
    sample: Mapping[str, Any],
    encoder_files: Mapping[str, Path] | None = None,
) -> str:
    """Every part with its stride, channels and blocks, one line each, from the image to the heads.

    Args:
        domains: Of the space.
        spec: Its fixed numbers.
        tasks: Its tasks.
        sample: An architecture.
        encoder_files: Which published encoders start from a file.

    Raises:
        SampleError: The sample does not belong to the space.
    """
    drawing = _Drawing(spec, tasks, domains.active(sample))
    rows = [_ALIGNED, drawing.beginning(encoder_files or {}), *drawing.trunk(0, tasks)]
    return f"architecture {domains.architecture_id(sample)}\n" + "\n".join(_aligned(rows))


class _Drawing:
    """Rows of one architecture; what lies below a branch is indented by its lines."""

    def __init__(self, spec: TemplateSpec, tasks: Sequence[str], active: Mapping[str, Any]) -> None:
        self.spec = spec
        self.active = active
        only = spec.sharing[0] if len(tasks) > 1 else "shared"
        self.way = {task: active.get(sharing.label(task), only) for task in tasks}

    def beginning(self, files: Mapping[str, Path]) -> Row:
        """The stem, or the published encoder and what it starts from."""
        if not self.spec.encoders:
            return ("stem", "2", str(self.spec.stem), "conv_k3")
        name = self.active.get(LABEL, self.spec.encoders[0])
        start = f"weights of {files[name].name}" if name in files else "random weights"
        return ("encoder", "4-32", "-".join(map(str, ENCODERS[name].channels)), f"{name}, {start}")

    def trunk(self, i: int, tasks: Sequence[str]) -> list[Row]:
        """The shared part from stage number i (from 0) on, for the tasks that read it."""
        end = len(self.spec.stages)
        leaves = [t for t in tasks if self.way[t] != "shared" and sharing.trunk_stages(self.way[t], end) == i]
        stays = [task for task in tasks if task not in leaves]
        parts: list[Callable[[], list[Row]]] = []
        if stays and i < end:
            parts.append(lambda: [self._stage("", i), *self.trunk(i + 1, stays)])
        elif stays:
            parts.append(lambda: [self._fusion(""), *_branches([self._head(task) for task in stays])])
        parts += [lambda task=task: self._own(task, i) for task in leaves]
        return _branches([part() for part in parts])

    def _own(self, task: str, first: int) -> list[Row]:
        stages = [self._stage(f"{task}_", i) for i in range(first, len(self.spec.stages))]
        return [*stages, self._fusion(f"{task}_"), *self._head(task)]

    def _stage(self, prefix: str, i: int) -> Row:
        stage, name = self.spec.stages[i], f"{prefix}stage{i + 1}"
        depth = self.active.get(f"{name}_depth", stage.depth[0])
        ops = [self.active.get(f"{name}_block{j}_op", stage.ops[0]) for j in range(1, depth + 1)]
        width = self.active.get(f"{name}_width", stage.channels[0])
        return (name.replace("_", " "), str(2 ** (i + 2)), str(width), "  ".join(ops))

    def _fusion(self, prefix: str) -> Row:
        kind = self.active.get(f"{prefix}fusion", self.spec.fusions[0])
        width = self.active.get("fusion_width", self.spec.fusion[0])
        return (f"{prefix}fusion".replace("_", " "), "4", str(width), kind)

    def _head(self, task: str) -> list[Row]:
        return [(f"{task} head", "4", str(self.spec.head), self.active.get(f"{task}_head", self.spec.heads[0]))]


def _branches(parts: Sequence[Sequence[Row]]) -> list[Row]:
    """Several continuations of one trunk; a single one just goes on."""
    if len(parts) == 1:
        return list(parts[0])
    rows = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        for line, (name, *cells) in enumerate(part):
            rows.append((("└─ " if last else "├─ ") if line == 0 else ("   " if last else "│  "), name, *cells))
    return [(mark + name, *cells) for mark, name, *cells in rows]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in (1, 2) else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
