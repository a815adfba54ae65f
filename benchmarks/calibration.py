"""What `ednas calibrate` is worth: a model corrected by few measurements, judged on networks that had no part in it.

    python benchmarks/calibration.py [--unseen 40] [--write]

The real device is this machine's processor (onnxruntime, one thread, float32), the model that of another device, the
Edge TPU: as wrong a start as a user can have. Networks of `nano` at 256 x 512 are proposed or drawn, measured and used
to correct the model; the correction then predicts random networks. Measured latencies are kept in the cache, so that a
second run takes seconds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from into_docs import EVIDENCE, put

from devices.calibrated.correction import calibrate, errors
from devices.calibrated.measurements import priced_terms
from devices.calibrated.proposing import informative
from devices.cpu_onnxruntime import CpuOnnxruntime
from devices.parts.measure import measured
from devices.parts.timings import Store
from ednas_nni.cost import cost_table
from ednas_nni.graphs.capture import network_graph
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse

SIZE = (256, 512)
COST = "latency_ms"
ROWS = (5, 8, 12, 16)
DRAWS = 3
RESULT = Path(__file__).parent / "results" / "calibration.json"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--unseen", type=int, default=40, help="random networks to predict")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/planning.md")
    options = arguments.parse_args()
    study = parse({"space": "nano", "deploy_size": list(SIZE)})
    space = Assembled(study).space
    table = cost_table(space, ["edge_tpu"], SIZE)
    domains, rng = table.domains, np.random.default_rng(0)
    unseen = [domains.random(rng) for _ in range(options.unseen)]
    sets = {"proposed": [[domains.decode(row) for row in informative(table, COST, max(ROWS))]]}
    sets["random"] = [[domains.random(rng) for _ in range(max(ROWS))] for _ in range(DRAWS)]
    machine = CpuOnnxruntime()
    latency = _latencies(space, [*unseen, *(s for group in sets.values() for each in group for s in each)], machine)
    truth = np.array([latency[domains.architecture_id(sample)] for sample in unseen])
    terms = _terms(table, unseen)
    rows = [_row("the Edge TPU's model as it is", 0, errors(terms.sum(1), truth))]
    for kind, groups in sets.items():
        for n in ROWS:
            found = [_corrected(table, group[:n], latency, terms, truth) for group in groups]
            mean = {name: float(np.mean([each[name] for each in found])) for name in found[0] if name != "form"}
            forms = ", ".join(sorted({each["form"] for each in found}))
            told = f"{kind}" + (f", mean of {len(groups)} draws" if len(groups) > 1 else "")
            rows.append({"measured": told, "rows": n, "form": forms, **mean})
    told = f"{machine.machine.title}; {len(unseen)} unseen networks of {truth.min():.1f} .. {truth.max():.1f} ms"
    text = f"{_markdown(rows)}\n\n{told}."
    print(text)
    if options.write:
        put(EVIDENCE, "calibration", text)
        RESULT.write_text(json.dumps({"measured": told, "rows": rows}, indent=1) + "\n")


def _latencies(space, samples: list, machine) -> dict[str, float]:
    """Architecture id -> ms on this machine."""
    from ednas_nni.nn.tree import domains_of

    domains = domains_of(space)
    graphs = {domains.architecture_id(sample): network_graph(space, sample, SIZE) for sample in samples}
    found = measured(
        {graph.signature: graph for graph in graphs.values()}, Store(machine.machine), machine.opened, title="measuring"
    )
    return {name: found[graph.signature].ms for name, graph in graphs.items()}


def _corrected(table, samples: list, latency: dict[str, float], terms: np.ndarray, truth: np.ndarray) -> dict:
    """Errors on the unseen networks of a correction by these, and what it said of itself."""
    values = np.array([latency[table.domains.architecture_id(sample)] for sample in samples])
    found = calibrate(_terms(table, samples), values)
    predicted = found.correction(terms)
    covered = float((truth <= predicted * found.upper_ratio).mean()) if found.upper_ratio else float("nan")
    told = {"form": found.correction.form, "helps": float(found.helps), "told": found.after.mape, "covered": covered}
    return told | _row("", 0, errors(predicted, truth), small=True)


def _terms(table, samples: list) -> np.ndarray:
    return priced_terms(table, COST, np.stack([table.domains.encode(sample) for sample in samples])).matrix


def _row(name: str, n: int, found, small: bool = False) -> dict:
    figures = {"mape": found.mape, "worst": found.worst, "tau": found.tau}
    return figures if small else {"measured": name, "rows": n, "form": "-", **figures}


def _markdown(rows: list[dict]) -> str:
    heads = (
        "measured networks",
        "rows",
        "form",
        "error it states",
        "error on unseen",
        "largest",
        "tau",
        "under the bound",
    )
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        stated = f"{100 * row['told']:.1f}%" if "told" in row else "-"
        covered = f"{100 * row['covered']:.0f}%" if np.isfinite(row.get("covered", np.nan)) else "-"
        error, worst = f"{100 * row['mape']:.1f}%", f"{100 * row['worst']:.0f}%"
        cells = (row["measured"], row["rows"] or "-", row["form"], stated, error, worst, f"{row['tau']:.2f}", covered)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
