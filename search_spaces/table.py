"""An architecture as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ednas_nni.domains import Domains
from ednas_nni.nn.template import TemplateSpec


def table(domains: Domains, spec: TemplateSpec, sample: Mapping[str, Any]) -> str:
    """Stage, stride, channels and blocks of an architecture, one line per stage.

    Raises:
        SampleError: The sample does not belong to the space.
    """
    active = domains.active(sample)
    rows = [("part", "stride", "channels", "blocks"), ("stem", "2", str(spec.stem), "conv_k3")]
    for i, stage in enumerate(spec.stages, 1):
        ops = [
            str(active[f"stage{i}_block{j}_op"])
            for j in range(1, stage.depth[1] + 1)
            if f"stage{i}_block{j}_op" in active
        ]
        rows.append((f"stage{i}", str(2 ** (i + 1)), str(stage.channels), "  ".join(ops)))
    rows.append(("fusion", "4", str(spec.fusion), "fpn"))
    rows.append(("heads", "4", str(spec.head), "separable_k3 per task"))
    return f"architecture {domains.architecture_id(sample)}\n" + "\n".join(_aligned(rows))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in (1, 2) else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
