"""The device litert_cpu against whole networks and exported files that it has not seen, on this machine.

python benchmarks/litert_cpu.py                                     20 networks of each preset, int8 and float32
python benchmarks/litert_cpu.py --presets nano --precisions int8    only these; other rows of the results stay
python benchmarks/litert_cpu.py --exported 4                        4 of the networks as exported files (extra `litert`)
python benchmarks/litert_cpu.py --render                            only writes the table of results/README.md

The sum of blocks, with the factor of 8 networks, against whole networks that are none of these: each measured three
times, first among the blocks, then twice by themselves; the median of the three counts. An exported file is what
LiteRT's converter and quantiser make of the network. Prints, writes benchmarks/results/litert_cpu.json and the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import into_docs
import numpy as np

RESULT = Path(__file__).resolve().parent / "results" / "litert_cpu.json"
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SIZE = (128, 256)
PRESETS = ("nano", "mobile", "pretrained")
PRECISIONS = ("int8", "float32")
PASSES = 3


class Held:
    """Networks of a preset that no factor comes from."""

    def __init__(self, preset: str, precision: str, networks: int, seed: int) -> None:
        from devices.litert_cpu import LitertCpu
        from devices.parts.block_table import block_table
        from devices.parts.whole_networks import whole_networks
        from ednas_nni import plugins

        self.preset, self.device = preset, LitertCpu(precision)
        self.space = plugins.load("search_spaces", preset)(tasks=TASKS)
        self.blocks = block_table(self.space, SIZE, self.device.part(SIZE))
        domains = self.blocks.domains
        fitted = {domains.architecture_id(sample): sample for sample in whole_networks(self.blocks)}
        rng, self.samples = np.random.default_rng(seed), {}
        while len(self.samples) < networks:
            sample = domains.random(rng)
            name = domains.architecture_id(sample)
            if name not in fitted:
                self.samples[name] = sample
        self.graphs = {name: self.device.network(self.space, s, SIZE) for name, s in self.samples.items()}
        self.fitted = [self.device.network(self.space, sample, SIZE) for sample in fitted.values()]
        assert not {g.signature for g in self.graphs.values()} & {g.signature for g in self.fitted}, "a fitted network"


def run(held: Held, folder: Path) -> dict[str, Any]:
    """Measure, predict, compare."""
    from devices.parts.measure import measured
    from devices.parts.timings import Store
    from ednas_nni.cost import cost_table

    device, graphs = held.device, {graph.signature: graph for graph in held.graphs.values()}
    store, start = Store(device.machine), time.perf_counter()
    whole = {graph.signature: graph for graph in held.fitted} | graphs
    timings = measured({**held.blocks.graphs, **whole}, store, device.opened, title="blocks and networks")
    seconds = time.perf_counter() - start
    passes = [timings]
    for i in range(1, PASSES):
        later = Store(device.machine, folder / str(i))
        passes.append(measured(graphs, later, device.opened, title=f"the networks once more ({i})"))
    table = cost_table(held.space, [device], SIZE)
    costs = dict(zip(table.names, table(list(held.samples.values())).T, strict=True))
    pace = [next(iter(each.values())).probe_ms for each in passes]
    times = np.array([[each[s].ms * pace[0] / p for s in graphs] for each, p in zip(passes, pace, strict=True)])
    return {
        "preset": held.preset,
        "precision": device.machine.precision,
        "size": list(SIZE),
        "machine": asdict(device.machine),
        "title": device.machine.title,
        "note": table.columns[0].note,
        "blocks": len(held.blocks.graphs),
        "seconds": seconds,
        "rounds": float(np.mean([timing.rounds for timing in timings.values()])),
        "halves": [float(q) for q in np.quantile([t.disagreement for t in timings.values()], (0.5, 1))],
        "pace": [float(p / pace[0]) for p in pace],
        "networks": [
            {
                "id": name,
                "measured_ms": float(np.median(times[:, i])),
                "passes_ms": times[:, i].tolist(),
                "latency_ms": float(costs["latency_ms"][i]),
                "macs": float(costs["macs"][i]),
            }
            for i, name in enumerate(held.graphs)
        ],
    }


def exported(held: Held, entry: dict[str, Any], networks: int, folder: Path) -> list[dict[str, Any]]:
    """Files of LiteRT's converter, spread over the measured latencies: measured in the same rounds as our own files."""
    from devices.parts.measure import measured
    from devices.parts.timings import Store
    from devices.parts.whole_networks import spread_out
    from ednas_nni.graphs.inference_graph import inference_graph
    from ednas_nni.graphs.tflite_file import interpreter
    from ednas_nni.networks.export.base import EXPORTERS, Order, facts_for
    from ednas_nni.nn.tree import build
    from ednas_nni.tasks.decoding import Decoding
    from ednas_nni.testing.exporters import example_images

    precision = entry["precision"]
    exporter = EXPORTERS.load({"int8": "litert-int8", "float32": "litert"}[precision])()
    exporter.check_installed(exporter.writes_with)
    rows = [entry["networks"][i] for i in spread_out(np.array([r["measured_ms"] for r in entry["networks"]]), networks)]
    device, graphs, runs = held.device, {}, {}
    for row in rows:
        network = build(held.space, held.samples[row["id"]]).eval()
        graph = inference_graph(network, dict.fromkeys(TASKS, Decoding()), SIZE)
        path = folder / f"{row['id']}{exporter.suffix}"
        facts = facts_for(exporter, graph, network="benchmark", architecture=row["id"])
        exporter.write(Order(graph, facts, example_images(size=SIZE)), path)
        ours = held.graphs[row["id"]]
        graphs |= {ours.signature: ours, f"exported.{row['id']}": replace(ours)}  # the copy stands for the file
        runs[id(graphs[f"exported.{row['id']}"])] = interpreter(path, 1)
        print(f"exported {path.name}", flush=True)

    def opened(graph: Any) -> Any:
        if id(graph) not in runs:
            return device.opened(graph)
        loaded = runs[id(graph)]
        for given in loaded.get_input_details():
            image = np.random.default_rng(0).random(given["shape"], np.float32)
            loaded.set_tensor(given["index"], image if precision == "float32" else (image * 255 - 128).astype(np.int8))
        return loaded.invoke

    timings = measured(graphs, Store(device.machine, folder / "files"), opened, title="exported files and ours")
    return [
        {
            "id": row["id"],
            "exported_ms": timings[f"exported.{row['id']}"].ms,
            "ours_ms": timings[held.graphs[row["id"]].signature].ms,
            "measured_ms": row["measured_ms"],
            "latency_ms": row["latency_ms"],
        }
        for row in rows
    ]


def line(title: str, networks: list[dict[str, Any]]) -> list[str]:
    """One row of the table."""
    from scipy.stats import kendalltau

    whole, sums, macs = (
        np.array([network[key] for network in networks]) for key in ("measured_ms", "latency_ms", "macs")
    )
    passes = np.array([network["passes_ms"] for network in networks])
    errors, again = np.abs(sums / whole - 1), np.abs(passes[:, -1] / passes[:, 0] - 1)
    return [
        title,
        f"{whole.min():.2f} .. {whole.max():.2f}",
        str(len(networks)),
        f"{errors.mean():.1%}",
        f"{errors.max():.1%}",
        f"{kendalltau(sums, whole).statistic:.3f}",
        f"{kendalltau(macs, whole).statistic:.3f}",
        f"{again.mean():.1%} ({again.max():.1%})",
    ]


def table_of(entries: list[dict[str, Any]]) -> str:
    """For people, in Markdown."""
    head = ["precision, preset", "ms", "networks", "mean error", "largest", "tau", "tau of MACs"]
    head.append("the same network later")
    rows = []
    for precision in PRECISIONS:
        of = [entry for entry in entries if entry["precision"] == precision]
        rows += [line(f"{precision}, `{entry['preset']}`", entry["networks"]) for entry in of]
    note = (
        f"Random networks at {' x '.join(map(str, entries[0]['size']))}, none of them in the factor, on "
        f"{entries[0]['title']}; the machine did other work meanwhile. Last column: how far a third measurement is "
        "from the first, mean (largest)."
    )
    text = f"{note}\n\n{into_docs.grid(head, rows)}"
    files = [(entry, row) for entry in entries for row in entry.get("exported", ())]
    if not files:
        return text
    apart = np.abs(
        [row["ours_ms"] / row["exported_ms"] * row["latency_ms"] / row["measured_ms"] - 1 for _, row in files]
    )
    return (
        f"{text}\n\n{len(files)} exported files, timed beside our own of the same networks: the sum of blocks is "
        f"{apart.mean():.1%} from them in the mean, {apart.max():.1%} at most (benchmarks/results/litert_cpu.json)."
    )


def main() -> None:
    """Parse arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=PRESETS)
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--exported", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--render", action="store_true", help="only write the tables from the results")
    options = parser.parse_args()
    entries = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else []
    for preset, precision in [] if options.render else [(a, b) for a in options.presets for b in options.precisions]:
        held = Held(preset, precision, options.networks, options.seed)
        with tempfile.TemporaryDirectory() as folder:
            if options.exported:
                (entry,) = (e for e in entries if (e["preset"], e["precision"]) == (preset, precision))
                entry["exported"] = exported(held, entry, options.exported, Path(folder))
            else:
                os.environ["EDNAS_CACHE"] = folder  # what was measured before does not count
                entry = run(held, Path(folder))
                print(line(f"{precision}, {preset}", entry["networks"]), f"{entry['seconds']:.0f} s", flush=True)
        entries = [e for e in entries if (e["preset"], e["precision"]) != (preset, precision)] + [entry]
        entries.sort(key=lambda e: (PRECISIONS.index(e["precision"]), PRESETS.index(e["preset"])))
        RESULT.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    into_docs.put(into_docs.EVIDENCE, "litert", table_of(entries))


if __name__ == "__main__":
    main()
