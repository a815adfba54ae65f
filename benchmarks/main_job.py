"""Does the search beat the member that it began with? `ednas confirm` for both, and a table of all metrics.

    python benchmarks/main_job.py [EXPERIMENT_ID] [--seeds 3] [--json FILE]

Takes a finished search's best networks among those that are at most as slow as the study's first `start`
(`--any-latency`: of all), trains them and that member with seeds that the search never used, and scores them on the
`select` split, which no candidate has seen. Prints both with mean and standard deviation, the position prior, and what
journal and NNI's record disagree on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.data.cache import cache_root
from ednas_nni.errors import EdnasError
from ednas_nni.handover.confirming import SPLIT, confirm, planned
from ednas_nni.handover.search import SearchRecord, open_search
from ednas_nni.record.locate import LATEST
from ednas_nni.tasks.quality import prior_for


def prior(search: SearchRecord) -> dict[str, float]:
    """Metrics of the position prior on `select`; its quality is 0."""
    source, tasks = search.assembled.source, tuple(search.assembled.tasks.values())
    measured = prior_for(source, tasks, cache_root(None) / "priors", SPLIT)
    return {f"{task}_{name}": value for task, entry in measured.tasks.items() for name, value in entry.metrics.items()}


def compared(options: argparse.Namespace) -> tuple[SearchRecord, list[str]]:
    """The search after the confirmation, and the architectures that are compared, the member last."""
    search = open_search(options.experiment)
    starts = search.assembled.study.start
    if not starts:
        raise EdnasError(f"the study of {search.experiment} names no member; write `start: [mobilenet_v2_small]`")
    member = search.architecture(starts[0])
    limit = float("inf") if options.any_latency else member.costs["latency_ms"]
    rivals = [a for a in search.results if a.costs["latency_ms"] <= limit and a.architecture != member.architecture]
    best = sorted(rivals, key=lambda a: -a.searched["default"])[: options.top]
    chosen = [*(a.architecture for a in best), member.architecture]
    recipe = {"steps": options.steps} if options.steps else {}
    confirm(search, planned(search, 0, options.seeds, chosen, **recipe), options.workers)
    return open_search(options.experiment), chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", nargs="?", default=LATEST, help="an experiment's id (the latest)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the study's own number, for all networks alike")
    parser.add_argument("--top", type=int, default=1, help="how many of the search's networks")
    parser.add_argument("--any-latency", action="store_true", help="networks slower than the member as well")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        search, chosen = compared(options)
    except EdnasError as error:
        parser.error(str(error))
    metrics = ["default", *(q.key for q in search.metrics if q.group in search.assembled.study.tasks)]
    rows: dict[str, dict[str, Any]] = {"position prior": prior(search)}
    for a in map(search.architecture, chosen):
        runs = {m: [run[m] for run in a.confirmed] for m in metrics}
        rows[a.name or a.architecture] = {"quality in the search": a.searched.get("default"), **a.costs, **runs}
    wrong = disagreements(search.history, nni_records(search.history.path.parents[1]))
    report(search, rows, metrics, f"{options.seeds} fresh seeds", wrong)
    if options.json:
        data = {"experiment": search.experiment, "steps": options.steps, "split": SPLIT, "rows": rows}
        options.json.write_text(json.dumps(data | {"disagreements": wrong}, indent=1) + "\n", encoding="utf-8")


def report(
    search: SearchRecord, rows: dict[str, dict[str, Any]], metrics: list[str], how: str, wrong: list[str]
) -> None:
    print(f"experiment {search.experiment}, scored on {SPLIT}, mean ± standard deviation of {how}\n")
    print("| | " + " | ".join(rows) + " |\n|---|" + "---|" * len(rows))
    for q in search.costs:
        cells = [q.text(row[q.key]) if q.key in row else "" for row in rows.values()]
        print(f"| {q.label} | {' | '.join(cells)} |")
    for metric in metrics:
        cells = []
        for row in rows.values():
            values = row.get(metric, 0.0)  # the prior has no `default`: its quality is 0 by definition
            if not isinstance(values, list):
                cells.append(f"{values:.4f}")
                continue
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{statistics.mean(values):.4f} ± {spread:.4f}")
        print(f"| {'quality' if metric == 'default' else metric} | {' | '.join(cells)} |")
    print(f"\n{search.optimism_in_words}")
    print(f"trials that ran another trial's architecture (journal against NNI's record): {len(wrong)}")
    for line in wrong:
        print(f"  {line}")


if __name__ == "__main__":
    main()
