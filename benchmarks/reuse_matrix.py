"""The reuse matrix: every strategy on every engine with every registered search space, each really run.

    python benchmarks/reuse_matrix.py                       all cells; about half an hour on two cores
    python benchmarks/reuse_matrix.py --missing             only those without a result
    python benchmarks/reuse_matrix.py --spaces nano --engines sequential
    python benchmarks/reuse_matrix.py --render              the kept results as tables in benchmarks/results/README.md

A multi-trial cell runs a few trials: each samples, builds the network, runs forward and backward, takes an optimiser
step (`ednas_nni.testing.one_step`) and reports. A one-shot cell trains a supernet for a few steps with the JAReD
evaluator on a data set of noise, exports, and trains the exported architecture as any other. Results are kept in
benchmarks/results/reuse.json, cell by cell, with the commit; a run of some cells leaves the others as they are. The
exit status is 1 if a cell failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

from checkout import commit
from into_docs import EVIDENCE, put
from reuse_cells import ENGINES, MULTI_TRIAL, ONE_SHOT, run_cell

from ednas_nni import plugins

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "reuse.json"


def run(spaces: list[str], strategies: list[str], engines: list[str], path: Path, missing: bool = False) -> bool:
    """Run cells and keep each as it ends; returns whether none failed."""
    kept = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []
    good = True
    cells = [(s, e, p) for e in engines for p in spaces for s in strategies]
    if missing:
        known = {(c["strategy"], c["engine"], c["space"]) for c in kept}
        cells = [cell for cell in cells if cell not in known]
    for i, (strategy, engine, space) in enumerate(cells, 1):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="ednas-reuse-") as folder:
            cell = {"strategy": strategy, "engine": engine, "space": space, **run_cell(strategy, engine, space, folder)}
        cell |= {"seconds": round(time.monotonic() - begin, 1), "commit": commit()}
        good &= cell["status"] != "failed"
        key = (strategy, engine, space)
        kept = [c for c in kept if (c["strategy"], c["engine"], c["space"]) != key] + [cell]
        path.write_text(json.dumps({"commit": commit(), "cells": kept}, indent=1) + "\n", encoding="utf-8")
        what = cell.get("reason") or ", ".join(f"{k} {cell[k]}" for k in ("trials", "optimiser_steps") if k in cell)
        print(
            f"{i}/{len(cells)} {strategy} {engine} {space}: {cell['status']} ({what}; {cell['seconds']} s)", flush=True
        )
    return good


def tables(found: dict) -> str:
    """What was run, in Markdown: strategies with the same results share a row; reasons are numbered notes."""
    cells = {(c["strategy"], c["engine"], c["space"]): c for c in found["cells"]}
    spaces = [name for name in plugins.names("search_spaces") if any(c["space"] == name for c in found["cells"])]
    notes: dict[str, int] = {}

    def entry(strategy: str, engine: str) -> str:
        """How many spaces ran, which did not, and how those that did were cut."""
        if strategy in ONE_SHOT and engine != "sequential":
            return "-"  # the text says why
        ran = [space for space in spaces if (strategy, engine, space) in cells]
        good = [space for space in ran if cells[strategy, engine, space]["status"] == "ok"]
        parts = [f"all {len(spaces)}" if good == spaces else f"{len(good)} of {len(spaces)}"]
        parts += [f"`{space}` not run" for space in spaces if space not in ran]
        reasons: dict[str, list[str]] = {}
        for space in ran:
            cell = cells[strategy, engine, space]
            failed = "**failed**" if cell["status"] == "failed" else ""
            reason = f"({notes.setdefault(cell['reason'], len(notes) + 1)})" if cell.get("reason") else ""
            reasons.setdefault(f"{failed} {reason}".strip(), []).append(space)
        for text, of in sorted(reasons.items(), key=lambda item: -len(item[1])):
            if text.startswith("(") and len(parts) == 1 and parts[0][-1] != ")":
                parts[0] += f" {text}"  # of most, hence without their names
            elif text:
                parts.append(f"{', '.join(f'`{space}`' for space in of)} {text}")
        return ", ".join(parts)

    rows: dict[tuple[str, ...], list[str]] = {}
    for strategy in (*MULTI_TRIAL, *ONE_SHOT):
        rows.setdefault(tuple(entry(strategy, engine) for engine in ENGINES), []).append(f"`{strategy}`")
    lines = [f"| strategies | {' | '.join(ENGINES)} |", "|---" * (len(ENGINES) + 1) + "|"]
    lines += [f"| {', '.join(names)} | {' | '.join(row)} |" for row, names in rows.items()]
    ran = sum(c["status"] == "ok" for c in found["cells"])
    ends = [f"\n({number}) {reason}" for reason, number in notes.items()]
    return "\n".join([*lines, "", f"{ran} cells ran, on the spaces {', '.join(f'`{s}`' for s in spaces)}.", *ends])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", nargs="*", default=plugins.names("search_spaces"))
    parser.add_argument("--strategies", nargs="*", default=[*MULTI_TRIAL, *ONE_SHOT])
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--missing", action="store_true", help="only cells without a result")
    parser.add_argument("--render", action="store_true", help="run nothing; put the kept results into docs/reuse.md")
    options = parser.parse_args()
    if options.render:
        put(EVIDENCE, "matrix", tables(json.loads(options.out.read_text(encoding="utf-8"))))
        return
    logging.disable(logging.WARNING)  # NNI tells every sample
    sys.exit(0 if run(options.spaces, options.strategies, options.engines, options.out, options.missing) else 1)


if __name__ == "__main__":
    main()
