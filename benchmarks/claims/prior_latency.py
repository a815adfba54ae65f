"""What the networks of S3 take on this machine's processor: LiteRT with XNNPACK, int8, one thread, measured.

    python benchmarks/claims/prior_latency.py --world nyuv2 --data FOLDER

Every network of benchmarks/results/prior_networks.jsonl, at the size that it was trained at, is a line of
prior_latency.jsonl, beside which the tables of S3 then print a ratio of milliseconds. Needs the extra `tflite`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from claims.command import options  # noqa: E402
from claims.prior_networks import RATES, RESULTS, SEARCHED, SEEDS, search_study, study  # noqa: E402
from rows import append, rows_of  # noqa: E402

LATENCIES = RESULTS.with_name("prior_latency.jsonl")
KEY, COST = ("world", "network", "width", "seed", "steps"), "litert_cpu_ms"


def measure(world: str, folder: str, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Measure what is missing, all in the same rounds, so that a busy minute touches all alike."""
    from devices.litert_cpu import LitertCpu
    from devices.parts.measure import measured
    from devices.parts.timings import Store
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    there = {_key(row) for row in rows_of(path)}
    wanted = [row for row in rows if row["world"] == world and row["split"] == "test" and row["costs"]]
    wanted = [row for row in wanted if _key(row) not in there]
    device, spaces, graphs = LitertCpu("int8"), dict[str, Any](), []
    for row in wanted:
        if (name := row["network"]) not in spaces:
            plain = (
                search_study(world, folder, 0, 1, 1) if name == SEARCHED else study(world, folder, name, RATES[0], 0, 1)
            )
            spaces[name] = Assembled(parse(plain))
        joined = spaces[name]
        graphs.append(device.network(joined.space, row["sample"], tuple(joined.study.deploy_size)))
    timings = measured({graph.signature: graph for graph in graphs}, Store(device.machine), device.opened, title=world)
    append(
        path,
        *(
            {**{name: row[name] for name in KEY}, COST: timings[graph.signature].ms, "machine": device.machine.title}
            for row, graph in zip(wanted, graphs, strict=True)
        ),
    )


def beside(rows: Sequence[Mapping[str, Any]], latencies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows whose costs have the milliseconds too; [] before all are measured. A search that failed has no costs."""
    of = {_key(line): {COST: line[COST]} for line in latencies}
    timed = [{**row, "costs": row["costs"] and {**row["costs"], **of.get(_key(row), {})}} for row in rows]
    return timed if all(COST in row["costs"] for row in timed if row["costs"]) else []


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def main() -> None:
    given = options(__doc__, SEEDS, "nyuv2").parse_args()
    measure(given.world, str(given.data or ""), rows_of(RESULTS), LATENCIES)


if __name__ == "__main__":
    main()
