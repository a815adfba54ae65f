"""What Vela and the Edge TPU's published rules say of int8 files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ednas_nni.errors import NetworkError
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.networks import placement
from ednas_nni.networks.export.base import EXPORTERS, Order, facts_for
from ednas_nni.networks.export.flatbuffer import FileOperator, FileTensor
from ednas_nni.networks.network import Network
from ednas_nni.networks.placement import edge_tpu_rule, read_edge_tpu_log
from ednas_nni.testing.exporters import example_images

LOG = """Edge TPU Compiler version 16.0.384591198
Input: network.int8.tflite
Operator                       Count      Status

ARG_MAX                        1          Operation is working on an unsupported data type
CONV_2D                        2          More than one subgraph is not supported
CONV_2D                        22         Mapped to Edge TPU
RESIZE_BILINEAR                3          Mapped to Edge TPU
"""


def operator(name: str, *shape: int, type: str = "INT8", **options: object) -> FileOperator:
    tensors = [FileTensor(f"{name}_{i}", shape or (1, 8, 8, 4), type, False) for i in range(2)]
    return FileOperator(name, 1, (tensors[0],), (tensors[1],), options)


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        (operator("CONV_2D", dilationHFactor=2, dilationWFactor=2), ""),
        (operator("CONV_2D", dilationHFactor=2, dilationWFactor=1), "dilation"),
        (operator("CONV_2D", type="FLOAT32"), "floating point"),
        (operator("ADD", 2, 8, 8, 4), "three dimensions"),
        (operator("CONCATENATION", fusedActivationFunction=1), "fused"),
        (operator("CONV_2D", fusedActivationFunction=1), ""),
        (operator("HARD_SWISH"), "not in the table"),
        (operator("ARG_MAX"), "not in the table"),
        (operator("RESIZE_BILINEAR", 1, 128, 256, 13), ""),
        (operator("RESIZE_BILINEAR", 1, 512, 1024, 13), "large"),
    ],
    ids=lambda x: x.name if isinstance(x, FileOperator) else None,
)
def test_rules_of_the_edge_tpu(case: FileOperator, rule: str) -> None:
    says = edge_tpu_rule(case)
    assert rule in says
    assert bool(rule) == bool(says)


def test_the_log_of_the_edge_tpu_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total, mapped, left = read_edge_tpu_log(LOG)
    assert (total, mapped, len(left)) == (28, 25, 2)
    assert left[0] == "1 ARG_MAX (Operation is working on an unsupported data type)"
    assert read_edge_tpu_log("ERROR: no such model") == (0, 0, ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert placement.edge_tpu_compiler(tmp_path / "absent.tflite") is None
    fake = tmp_path / "edgetpu_compiler"
    fake.write_text(f"#!{sys.executable}\nimport sys\nprint('Invalid model'); sys.exit(1)\n")
    fake.chmod(0o755)
    with pytest.raises(NetworkError, match=r"rejects absent.tflite: Invalid model"):
        placement.edge_tpu_compiler(tmp_path / "absent.tflite")


@pytest.mark.slow
def test_raw_int8_files_run_on_ethos_u_as_a_whole(trained: Network, tmp_path: Path) -> None:
    """The final 4x enlargement of `full` files falls back on U55, as Vela documents; on U85 nothing does."""
    pytest.importorskip("ethosu")
    exporter = EXPORTERS.load("litert-int8")()
    try:
        exporter.check_installed(exporter.writes_with)
    except NetworkError as error:
        pytest.skip(str(error))
    decodings = {name: task.decoding for name, task in trained.tasks.items()}
    placed = {}
    for outputs in ("raw", "full"):
        graph = inference_graph(trained.module, decodings, (64, 128), outputs)
        facts = facts_for(exporter, graph, network="small", architecture="0")
        path = tmp_path / f"{outputs}.int8.tflite"
        exporter.write(Order(graph, facts, example_images(size=(64, 128))), path)
        placed |= {(outputs, name): placement.vela(path, name) for name in placement.ETHOS}
        assert placement.edge_tpu_lint(path).macs_on_device == placed[outputs, "ethos-u55-256"].macs
    for (outputs, name), where in placed.items():
        assert where.macs_on_device == where.macs == exporter.open(tmp_path / f"{outputs}.int8.tflite").macs()
        assert where.cycles and where.milliseconds and where.sram_kib
        left = 3 if outputs == "full" and name != "ethos-u85-512" else 0
        assert where.operators - where.on_device == left, (outputs, name, where.left)
    assert placed["full", "ethos-u55-256"].left == ("3 RESIZE_BILINEAR on the processor: half-pixel, x 4",)
