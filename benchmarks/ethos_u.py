"""The device ethos_u against Vela on whole networks that it has not seen.

python benchmarks/ethos_u.py                              20 networks of each preset, every accelerator
python benchmarks/ethos_u.py --presets nano --accelerators u55-256    only these; other rows of the results stay
python benchmarks/ethos_u.py --render                     only writes the table in benchmarks/results/README.md

The sum of parts, with the factor of 8 networks, against the whole file of each of 20 others, compiled in one piece.
Prints, writes benchmarks/results/ethos_u.json and the table in benchmarks/results/README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import into_docs
import numpy as np

RESULT = Path(__file__).resolve().parent / "results" / "ethos_u.json"
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SIZES = {"nano": (128, 256), "mobile": (128, 256), "pretrained": (128, 256)}
ACCELERATORS = ("u55-64", "u55-128", "u55-256", "u65-256", "u65-512", "u85-256", "u85-512", "u85-1024")


class Held:
    """Networks of a preset that no factor comes from, captured once for all accelerators."""

    def __init__(self, preset: str, networks: int, seed: int) -> None:
        from ednas_nni import plugins
        from ednas_nni.nn.tree import domains_of

        self.preset, self.size, self._n = preset, SIZES[preset], networks
        self.space = plugins.load("search_spaces", preset)(tasks=TASKS)
        self._domains, self._rng = domains_of(self.space), np.random.default_rng(seed)
        self.samples: dict[str, Any] = {}
        self.graphs: dict[str, Any] = {}

    def draw(self, fitted: Any) -> None:
        """The networks, at the first call; the fitted ones are the same for every accelerator."""
        from ednas_nni.graphs.capture import network_graph
        from ednas_nni.graphs.graph import cut

        names = {self._domains.architecture_id(sample) for sample in fitted}
        assert not names & set(self.samples), "a network of the factor is among the held-out ones"
        while len(self.samples) < self._n:
            sample = self._domains.random(self._rng)
            name = self._domains.architecture_id(sample)
            if name not in names and name not in self.samples:
                self.samples[name] = sample
                self.graphs[name] = cut(network_graph(self.space, sample, self.size), self.size)


def run(held: Held, accelerator: str) -> dict[str, Any]:
    """Price, compile, compare."""
    from devices.ethos_u import EthosU
    from devices.ethos_u.parts import Estimates, estimates
    from ednas_nni.cost import cost_table

    preset, size = held.preset, held.size
    device = EthosU(accelerator)
    store = Estimates(device.target)
    before = len(store.read())
    start = time.perf_counter()
    table = cost_table(held.space, [device], size)
    seconds = time.perf_counter() - start
    compiled = len(store.read()) - before
    held.draw(device.whole)
    graphs, chosen = held.graphs, held.samples
    made = estimates({graph.signature: graph for graph in graphs.values()}, store, "whole networks")
    whole = [made[graph.signature] for graph in graphs.values()]
    costs = dict(zip(table.names, table(list(chosen.values())).T, strict=True))
    npu = costs["latency_ms"] - [network.left_elements * device.cpu_ns / 1e6 for network in whole]
    return {
        "preset": preset,
        "accelerator": accelerator,
        "size": list(size),
        "vela": device.target.vela,
        "compiled_in_these_seconds": compiled,
        "seconds": seconds,
        "columns": {c.name: {"error": c.error, "compared": c.compared, "note": c.note} for c in table.columns[:3]},
        "networks": [
            {
                "id": name,
                "vela_ms": network.milliseconds,
                "npu_ms": float(npu[i]),
                "vela_sram": network.sram_bytes,
                "sram_bytes": float(costs["sram_bytes"][i]),
                "vela_share": 1 - len(network.left) / network.operators,
                "npu_share": float(costs["npu_share"][i]),
                "macs": float(costs["macs"][i]),
            }
            for i, (name, network) in enumerate(zip(chosen, whole, strict=True))
        ],
    }


def line(title: str, networks: list[dict[str, float]]) -> list[str]:
    """One row of the table."""
    from scipy.stats import kendalltau

    vela, npu, macs, sram, sram_whole = (
        np.array([network[key] for network in networks])
        for key in ("vela_ms", "npu_ms", "macs", "sram_bytes", "vela_sram")
    )
    errors, memory = np.abs(npu / vela - 1), np.abs(sram / sram_whole - 1)
    return [
        title,
        f"{vela.min():.2f} .. {vela.max():.2f}",
        str(len(networks)),
        f"{errors.mean():.1%}",
        f"{errors.max():.1%}",
        f"{kendalltau(npu, vela).statistic:.3f}",
        f"{kendalltau(macs, vela).statistic:.3f}",
        f"{memory.mean():.1%} ({memory.max():.1%})",
    ]


def table_of(found: list[dict[str, Any]]) -> str:
    """For people, in Markdown."""
    head = [
        "NPU",
        "ms by Vela",
        "networks",
        "mean error",
        "largest",
        "tau",
        "tau of MACs",
        "sram_bytes",
    ]
    rows = []
    for accelerator in ACCELERATORS:
        of = [entry for entry in found if entry["accelerator"] == accelerator]
        if of:
            rows.append(line(accelerator, [network for entry in of for network in entry["networks"]]))
    presets = ", ".join(f"`{name}`" for name in dict.fromkeys(entry["preset"] for entry in found))
    apart = max(abs(network["npu_share"] - network["vela_share"]) for entry in found for network in entry["networks"])
    note = (
        f"Random networks of {presets} at {' x '.join(map(str, found[0]['size']))}, none of them in the factor; Vela "
        f"{found[0]['vela']} on the whole file against the sum of parts. Errors of latency and, mean (largest), of "
        f"sram_bytes; npu_share differs by {apart:.3f} at most. `python benchmarks/ethos_u.py` repeats this."
    )
    return f"{note}\n\n{into_docs.grid(head, rows)}"


def main() -> None:
    """Parse arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--accelerators", nargs="+", default=list(ACCELERATORS), choices=ACCELERATORS)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--render", action="store_true", help="only write the table from the results")
    options = parser.parse_args()
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else []
    for preset in () if options.render else options.presets:
        held = Held(preset, options.networks, options.seed)
        for accelerator in options.accelerators:
            entry = run(held, accelerator)
            found = [e for e in found if (e["preset"], e["accelerator"]) != (preset, accelerator)] + [entry]
            found.sort(key=lambda e: (list(SIZES).index(e["preset"]), ACCELERATORS.index(e["accelerator"])))
            RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(line(f"{accelerator}, {preset}", entry["networks"]), f"{entry['seconds']:.0f} s", flush=True)
    into_docs.put(into_docs.EVIDENCE, "ethos_u", table_of(found))


if __name__ == "__main__":
    main()
