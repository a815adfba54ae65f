"""The project's tabular benchmark: networks that were trained on every task alone and on all, each with two seeds.

benchmarks/claims/transfer_table.py has made it. A search that would take hours takes a moment on it: what a trial
reports is the quality that one seed reached on the split `search`, and the network that it chooses is worth what the
*other* seed reached on `select`, so that nobody is rewarded for one lucky training.

Networks are numbered by modelled latency: an integer that any optimiser searches, whose neighbours are alike in cost.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ROWS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "transfer_table.jsonl"


class Table:
    """The networks of a world of which every training is there, fastest first.

    Args:
        world: Such as "streets".
        tasks: What the searched quality is of: "all", or one task.
        rows: The file.

    Attributes:
        names: Architecture ids.
        samples: Their choices by label.
        latency_ms: (n,), modelled for the Edge TPU.
        searched: (n, 2), quality of each seed on `search`.
        judged: (n, 2), quality of all tasks on `select`.

    Raises:
        SystemExit: The world has no network of which both seeds are there.
    """

    def __init__(self, world: str = "streets", tasks: str = "all", rows: Path = ROWS) -> None:
        lines = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()] if rows.exists() else []
        here = [row for row in lines if row["world"] == world]
        scores: dict[tuple[str, str, str], dict[int, float]] = {}
        for row in here:
            for split in ("search", "select") if "tasks" in row else ():
                of_seeds = scores.setdefault((row["architecture"], row["tasks"], split), {})
                of_seeds[row["seed"]] = row[split]["quality"]
        drawn = sorted((row for row in here if "sample" in row), key=lambda row: row["costs"]["latency_ms"])
        wanted = (tasks, "search"), ("all", "select")
        whole = [row for row in drawn if all(len(scores.get((row["architecture"], *w), ())) == 2 for w in wanted)]
        if not whole:
            raise SystemExit(f"{rows}: no network of {world!r} has both seeds of {tasks!r} and of 'all' yet")
        self.names = [row["architecture"] for row in whole]
        self.samples = [row["sample"] for row in whole]
        self.latency_ms = np.array([row["costs"]["latency_ms"] for row in whole])
        self.searched, self.judged = (
            np.array([[value for _, value in sorted(scores[(name, *w)].items())] for name in self.names])
            for w in wanted
        )

    def __len__(self) -> int:
        return len(self.names)

    def worth(self, chosen: int, seed: int) -> str:
        """What the chosen network is worth where `seed` (0 or 1) was the searched one, beside the best and the mean."""
        other = self.judged[:, 1 - seed]
        text = f"chose {self.names[chosen]}, {self.latency_ms[chosen]:.1f} ms: quality {other[chosen]:.3f} on `select`"
        return f"{text} (best {other.max():.3f}, mean {other.mean():.3f})"
