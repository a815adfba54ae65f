"""The scripts that docs/export.md names run beside a runtime and numpy alone, and answer as torch does."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import torch

from ednas_nni.errors import NetworkError
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.networks.export.base import EXPORTERS, Order, facts_for
from ednas_nni.nn.heads import answering_classes
from ednas_nni.tasks.decoding import Outputs, picking
from ednas_nni.testing.exporters import DECODINGS, SIZE, ExampleNetwork, example_images

ROOT = Path(__file__).parents[2]
HOST, ONNX, LITERT = (
    (ROOT / "examples" / "run_exported" / f"{name}.py").read_text(encoding="utf-8")
    for name in ("host", "run_onnx", "run_litert")
)


@pytest.fixture
def network() -> ExampleNetwork:
    torch.manual_seed(0)
    return ExampleNetwork().eval()


def run_page(
    name: str, script: str, network: ExampleNetwork, folder: Path, python: Path, outputs: Outputs = "raw"
) -> None:
    """Write a file, run the page's script on it, compare every decoded output with torch's."""
    exporter = EXPORTERS.load(name)()
    try:
        exporter.check_installed(exporter.writes_with)
    except NetworkError as error:
        pytest.skip(str(error))
    images = example_images()
    graph = inference_graph(network, DECODINGS, SIZE, outputs)
    file = folder / f"network{exporter.suffix}"
    exporter.write(Order(graph, facts_for(exporter, graph, network="page", architecture="0"), images), file)
    (folder / "host.py").write_text(HOST, encoding="utf-8")
    (folder / "run.py").write_text(script, encoding="utf-8")
    np.save(folder / "image.npy", images[3])
    subprocess.run([python, "run.py", file.name, "image.npy", "out.npz"], cwd=folder, check=True, env={})
    with torch.no_grad(), answering_classes(picking(DECODINGS) if outputs == "classes" else ()):
        wanted = network(torch.from_numpy(images[3:4]).permute(0, 3, 1, 2).float() / 255)
    with np.load(folder / "out.npz") as results:
        assert set(results) == set(DECODINGS)
        for task, decode in DECODINGS.items():
            raw = wanted[task]
            expected = decode(raw) if raw.is_floating_point() else raw[:, 0].long()
            apart = np.abs(results[task] - expected[0].numpy())
            if apart.dtype.kind == "f":
                assert apart.mean() < (0.05 if name == "litert-int8" else 1e-5), task
            else:
                assert (apart > 0).mean() < (0.1 if name == "litert-int8" else 1e-3), task


def test_the_page_names_the_scripts() -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in ("run_onnx.py", "run_litert.py", "host.py", "examples/run_exported"))


@pytest.mark.parametrize("outputs", ["raw", "classes"])
def test_the_onnx_script_answers_as_torch_does(outputs: Outputs, network: ExampleNetwork, tmp_path: Path) -> None:
    run_page("onnx", ONNX, network, tmp_path, Path(sys.executable), outputs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "script", "runtime"),
    [
        ("onnx", ONNX, "onnxruntime"),
        ("litert", LITERT, "ai-edge-litert==2.3.0"),
        ("litert-int8", LITERT, "ai-edge-litert==2.3.0"),
    ],
)
def test_in_a_fresh_environment(name: str, script: str, runtime: str, network: ExampleNetwork, tmp_path: Path) -> None:
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / "bin" / "python"
    installed = subprocess.run([python, "-m", "pip", "install", "-q", "numpy", runtime], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"no package index: {installed.stderr[-200:]}")
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode, "the environment has torch"
    run_page(name, script, network, tmp_path, python)
