"""How fast and how exact the cost table is, against instantiating and counting.

python benchmarks/cost.py            prints, and writes benchmarks/results/cost.json
python benchmarks/cost.py --write    also writes the tables in benchmarks/results/README.md

One thread; samples per second are of processor time, the best of several rounds. Exactness: random architectures are
instantiated, and multiply-adds (torch's FlopCounterMode / 2), parameters and peak memory (a simulation on hooks, not
shared with the package) are compared with the table's, figure by figure.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read when the libraries load
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from into_docs import EVIDENCE, put  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from ednas_nni import plugins  # noqa: E402
from ednas_nni.cost import CostProfiler, cost_table  # noqa: E402
from ednas_nni.cost.reading import read_space  # noqa: E402
from ednas_nni.cost.summary import random_codes  # noqa: E402
from ednas_nni.nn.elementwise import Activation  # noqa: E402
from ednas_nni.nn.tree import build  # noqa: E402

RESULTS = Path(__file__).with_name("results") / "cost.json"
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SIZE = (512, 1024)
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--networks", type=int, default=200, help="instantiated for the comparison")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/results/README.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = plugins.load("search_spaces", options.space)(tasks=TASKS)
    found: dict[str, Any] = {"space": options.space, "size": list(SIZE), "torch": torch.__version__, "ways": {}}
    start = time.process_time()
    layers = read_space(space, SIZE)
    found["read_seconds"] = time.process_time() - start
    found["operations"], found["records"] = len(layers.operations), len(layers.records)
    for title, devices, columns in (
        ("table: macs, params", (), None),
        ("table: macs, params, edge_tpu (3 columns)", ("edge_tpu",), None),
        ("table: peak_memory_bytes", ("peak_memory",), ("peak_memory_bytes",)),
    ):
        table = cost_table(space, devices, SIZE)
        codes = random_codes(table.domains, 1 << 16, np.random.default_rng(0))
        price = table.encoded if columns is None else table._by_order[0]
        found["ways"][title] = rate(lambda price=price, codes=codes: price(codes), len(codes))
        print(f"{title}: {found['ways'][title]:,.0f}/s", flush=True)
    found["ways"]["CostProfiler: one sample at a time, as NNI asks"] = profiler_rate(space)
    found |= exactness(space, cost_table(space, ["peak_memory"], SIZE), options.networks)
    found["ways"]["instantiate and count (FlopCounterMode)"] = found.pop("instantiated_per_second")
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown(found))
    if options.write:
        put(EVIDENCE, "cost-speed", markdown(found))


def rate(call: Callable[[], object], count: int) -> float:
    """Samples per processor second, best of a few rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return count / min(seconds)


def profiler_rate(space: Any, samples: int = 500) -> float:
    """Samples per processor second of the table as one of NNI's profilers."""
    profiler = CostProfiler(space, cost_table(space, (), SIZE))
    domains, rng = profiler.table.domains, np.random.default_rng(2)
    drawn = [domains.random(rng) for _ in range(samples)]
    return rate(lambda: [profiler.profile(sample) for sample in drawn], samples)


def exactness(space: Any, table: Any, networks: int) -> dict[str, Any]:
    """Figures of the table against those of instantiated networks."""
    rng, equal, spent = np.random.default_rng(1), {"macs": 0, "params": 0, "peak_memory_bytes": 0}, 0.0
    codes = random_codes(table.domains, networks, rng)
    priced = dict(zip(table.names, table.encoded(codes).T, strict=True))
    for row, code in enumerate(codes):
        start = time.process_time()
        with torch.device("meta"):
            network = build(space, table.domains.decode(code)).eval()
        counted, peak = watched(network)
        spent += time.process_time() - start
        truth = {
            "macs": counted,
            "params": sum(p.numel() for p in network.parameters()),
            "peak_memory_bytes": peak,
        }
        for name, value in truth.items():
            equal[name] += int(priced[name][row] == value)
    return {"networks": networks, "equal": equal, "instantiated_per_second": networks / spent}


def watched(network: nn.Module) -> tuple[int, int]:
    """Multiply-adds by torch's count, and the most elements that live at one time (int8: bytes)."""
    calls: list[tuple[bool, list[torch.Tensor], torch.Tensor]] = []

    def seen(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        given = [x for x in inputs if isinstance(x, torch.Tensor)]
        if not any(output is x for x in given):
            calls.append((isinstance(module, nn.BatchNorm2d | Activation), given, output))

    handles = [m.register_forward_hook(seen) for m in network.modules() if next(m.children(), None) is None]
    image = torch.empty(1, 3, *SIZE, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        results = list(network(image).values())
    for handle in handles:
        handle.remove()
    readers: dict[int, list[int]] = {}
    for step, (_, inputs, _) in enumerate(calls, 1):
        for tensor in inputs:
            readers.setdefault(id(tensor), []).append(step)
    for tensor in results:
        readers.setdefault(id(tensor), []).append(len(calls) + 1)
    change = np.zeros(len(calls) + 3, int)
    for born, tensor in enumerate([image, *(output for _, _, output in calls)]):
        last = max(readers.get(id(tensor), [born]))
        over = born < last <= len(calls) and calls[last - 1][0]  # the last reader writes over it
        change[born] += tensor.numel()
        change[last + (0 if over else 1)] -= tensor.numel()
    return counter.get_total_flops() // 2, int(change.cumsum().max())


def markdown(found: dict[str, Any]) -> str:
    """The sentences of the page of results."""
    equal, n = found["equal"], found["networks"]
    height, width = found["size"]
    rates = ", ".join(
        f"{value:,.0f} with {name.removeprefix('table: ')}" for name, value in list(found["ways"].items())[:3]
    )
    return (
        f"Preset `{found['space']}` at {height} x {width}: reading the space takes {found['read_seconds']:.1f} s of "
        f"one core, which then prices so many samples a second: {rates}. Of {n} random architectures, instantiated, "
        f"equal to the digit: {', '.join(f'`{name}` {count}' for name, count in equal.items())}."
    )


if __name__ == "__main__":
    main()
