"""What `deploy_outputs: classes` costs and saves: one network of the shipped study, with scores and with classes.

    python benchmarks/classes.py             needs the extras `onnx`, `tflite` and `vela`; some minutes
    python benchmarks/classes.py --render    the pages again

Files of scores and of classes are run in turns, by the processor time of one thread: medians. The host's part is what
it does with the outputs: to enlarge scores and to pick the class, or to enlarge classes. Vela and the Edge TPU's model
are asked, not measured. Quality is that of a network trained for some steps, scored with either.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from into_docs import DOCS, EVIDENCE, grid, put

RESULTS = Path(__file__).resolve().parent / "results" / "classes.json"
STUDY = Path(__file__).resolve().parents[1] / "experiments" / "ednas.yml"
MEMBER, SIZE, RUNS, STEPS = "mobilenet_v2_050", (512, 1024), 31, 300
NPUS = ("u55-256", "u65-512", "u85-512")
ASKED = frozenset({"segmentation"})


def in_turns(runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each, by the thread's processor time."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(RUNS + 2):
        for name, run in runs.items():
            before = time.thread_time()
            run()
            if turn > 1:
                times[name].append(1e3 * (time.thread_time() - before))
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


def measure() -> dict[str, Any]:
    """All rows."""
    import torch

    from devices.cpu_onnxruntime import CpuOnnxruntime
    from devices.ethos_u.vela import NpuTarget, Vela, installed
    from devices.litert_cpu import LitertCpu
    from ednas_nni.cost import cost_table
    from ednas_nni.graphs.capture import network_graph
    from ednas_nni.graphs.graph import cut
    from ednas_nni.graphs.tflite_file import tflite_bytes
    from ednas_nni.nn.heads import answering_classes
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study.fields import read_experiment
    from ednas_nni.tasks.decoding import resized

    torch.set_num_threads(1)
    study = Assembled(read_experiment(STUDY)[1])
    sample, graphs, enlarging, tables = study.member(MEMBER), {}, {}, {}
    for kind, asked in (("raw", frozenset()), ("classes", ASKED)):
        with answering_classes(asked):
            enlarging[kind] = network_graph(study.space, sample, SIZE)
        graphs[kind] = cut(enlarging[kind], SIZE)
        tables[kind] = cost_table(study.space, ["edge_tpu"], SIZE, classes=asked)
    shape = next(node.shape for node in graphs["classes"].nodes if node.op == "ArgMax")
    count, pixels = study.tasks["segmentation"].channels, shape[2] * shape[3]
    scores, classes = torch.randn(1, count, *shape[2:]), torch.randint(0, count, (1, *shape[2:]), dtype=torch.uint8)
    record: dict[str, Any] = {
        "member": MEMBER,
        "runs": RUNS,
        "classes": count,
        "pixels": pixels,
        "host": in_turns({"raw": lambda: resized(scores, SIZE).argmax(1), "classes": lambda: resized(classes, SIZE)}),
        "edge_tpu": {
            kind: dict(zip(table.names, map(float, table([sample])[0]), strict=True)) for kind, table in tables.items()
        },
    }
    for device in (CpuOnnxruntime(), LitertCpu("float32"), LitertCpu("int8")):
        record[device.name] = in_turns({kind: device.opened(graph) for kind, graph in graphs.items()})
    opened = CpuOnnxruntime().opened
    record["enlarging"] = in_turns({kind: opened(graph) for kind, graph in enlarging.items()})
    for npu in NPUS:
        with Vela(NpuTarget(f"ethos-{npu}", "", "", installed())) as vela:
            made = {kind: vela.compiled(tflite_bytes(graph)) for kind, graph in graphs.items()}
        record[npu] = {kind: round(1e3 * one.cycles / one.hertz, 3) for kind, one in made.items()}
        record[npu]["left"] = [operator.left for operator in made["classes"].operators if operator.left]
    return record


def quality() -> dict[str, float]:
    """mIoU of one network trained for some steps, scored with enlarged scores and with enlarged classes."""
    from ednas_nni.graphs.inference_graph import inference_graph
    from ednas_nni.networks.scoring import metrics_of
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse
    from ednas_nni.tasks.decoding import resized

    evaluator = {"name": "jared", "steps": STEPS, "threads": 1, "reports": 1, "accelerator": "cpu"}
    study = Assembled(parse({"space": "compound", "evaluator": evaluator}))
    network, _ = study.trained(study.member(MEMBER))
    tasks = {"segmentation": study.evaluator.module.data.by_name["segmentation"]}
    size, split = study.study.train_size, study.source.split("search")
    decodings = {name: task.decoding for name, task in study.tasks.items()}
    found = {}
    for kind in ("raw", "classes"):
        graph = inference_graph(network, decodings, size, kind)

        def predictions(image: Any, graph: Any = graph) -> dict[str, Any]:
            given = graph.run(image)["segmentation"]
            whole = resized(given if given.is_floating_point() else given[:, 0], size)
            return {"segmentation": whole.argmax(1) if whole.is_floating_point() else whole.long()}

        found[kind] = metrics_of(predictions, tasks, split)["segmentation"]["miou"]
    return found


def table(record: dict[str, Any]) -> str:
    """For the page of results."""
    count, pixels = record["classes"], record["pixels"]
    larger = SIZE[0] * SIZE[1] // pixels

    def row(name: str, origin: str, times: Mapping[str, float], before: int, after: int) -> list[str]:
        back = f"{before * pixels / 1000:,.0f} -> {after * pixels / 1000:,.0f}"
        return [name, origin, f"{times['raw']:.2f} -> {times['classes']:.2f}", back]

    tpu = {kind: costs["latency_ms"] for kind, costs in record["edge_tpu"].items()}
    rows = [
        row("`onnx` on `cpu_onnxruntime`", "measured", record["cpu_onnxruntime"], 4 * count, 1),
        row("the same, enlarged in it: the price", "measured", record["enlarging"], 4 * count * larger, larger),
        row("`litert` on `litert_cpu/float32`", "measured", record["litert_cpu_float32"], 4 * count, 4),
        row("`litert-int8` on `litert_cpu`", "measured", record["litert_cpu"], count, 4),
        *(row(f"`litert-int8` on `ethos_u/{npu}`", "Vela", record[npu], count, 4) for npu in NPUS),
        row("`litert-int8` on `edge_tpu`", "modelled; leaves ARG_MAX to the host", tpu, count, count),
    ]
    heads = ("file", "ms are", "latency, ms", "segmentation handed over, kB")
    note = (
        f"`{record['member']}` at {SIZE[0]} x {SIZE[1]}, scores -> classes; medians of {record['runs']} runs in turns."
    )
    return f"{note}\n\n{grid(heads, rows)}"


def sentences(record: dict[str, Any]) -> str:
    """What docs/hardware.md says of it."""
    host, miou = record["host"], record["miou"]
    enlarging = {kind: costs["host_ms"] for kind, costs in record["edge_tpu"].items()}
    return (
        f"It pays on the host, not on the device: one map is enlarged, not {record['classes']}: {host['raw']:.1f} -> "
        f"{host['classes']:.1f} ms here (torch, one thread), `host_ms` of `edge_tpu` {enlarging['raw']:.1f} -> "
        f"{enlarging['classes']:.1f}. Edges are coarser: mIoU of a network trained for {record['steps']} steps at 64 x "
        f"128 falls from {100 * miou['raw']:.1f} to {100 * miou['classes']:.1f} %."
    )


def main() -> None:
    """Measure what lacks, and render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true")
    if not parser.parse_args().render:
        record = measure()
        RESULTS.write_text(json.dumps({**record, "steps": STEPS, "miou": quality()}, indent=1) + "\n", encoding="utf-8")
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    put(EVIDENCE, "classes", table(record))
    put(DOCS / "hardware.md", "classes", sentences(record))


if __name__ == "__main__":
    main()
