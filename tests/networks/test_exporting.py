"""`ednas export` and `ednas benchmark` on a trained network: what is written is proved, described, scored by itself."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import pytest
import torch
from PIL import Image

import ednas_nni
from ednas_nni.cli import main
from ednas_nni.cost.layers import layer_records
from ednas_nni.errors import DataError, NetworkError
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.networks import own_data, pictures, timing
from ednas_nni.networks.benchmark import benchmark
from ednas_nni.networks.export.base import Order
from ednas_nni.networks.export.proof import odd
from ednas_nni.networks.exporting import Exported, export, open_file
from ednas_nni.networks.network import Network
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.decoding import Decoding
from exporters import pt2
from search_spaces import EdnasSpace, presets
from tests.small_networks import small_network


@pytest.fixture
def network(trained: Network, tmp_path: Path) -> Network:
    """A copy, which tests may write into."""
    return ednas_nni.load(shutil.copytree(trained.folder, tmp_path / "small"))


@pytest.fixture(scope="module")
def _with_a_file(trained: Network, tmp_path_factory: pytest.TempPathFactory) -> Network:
    network = ednas_nni.load(shutil.copytree(trained.folder, tmp_path_factory.mktemp("exported") / "small"))
    assert exported(network, "pt2")[0].reason == ""
    return network


@pytest.fixture
def with_a_file(_with_a_file: Network, tmp_path: Path) -> Network:
    """As `network`, exported as pt2."""
    return ednas_nni.load(shutil.copytree(_with_a_file.folder, tmp_path / "small"))


@pytest.fixture(autouse=True)
def _few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """How exact the milliseconds are is not asked here."""
    monkeypatch.setattr(timing, "RUNS", (5, 5))


def exported(network: Network, *to: str, **options: object) -> list[Exported]:
    images = lambda size, count: own_data.training_images(network.description, size, count)  # noqa: E731
    size = network.description.train_size
    return export(network, to, images, **{"size": size, **options})


def test_a_file_predicts_what_the_network_predicts_and_the_folder_knows_it(network: Network) -> None:
    height, width = network.description.train_size
    assert exported(network, "pt2", size=(height + 8, width))[0].reason == ""  # padded to the stride
    (made,) = exported(network, "pt2")
    assert made.reason == "" and made.path.name == "network.pt2" and all(match.images == 25 for match in made.matches)
    again = ednas_nni.load(network.folder)
    runtime = open_file(made.path)
    assert runtime.facts.results[0].classes == again.description.tasks["segmentation"].classes
    assert again.description.files["network.pt2"].details["macs"] == made.macs == runtime.macs()
    image = np.random.default_rng(0).integers(0, 256, (*network.description.train_size, 3), np.uint8)
    here, there = again.predict(image, runtime), again.predict(image, _at(again, runtime.size))
    assert all(np.mean(np.abs(here[task].astype(float) - there[task])) < 1e-3 for task in there)
    made.path.write_bytes(made.path.read_bytes()[:-1])
    with pytest.raises(NetworkError, match=r"network.pt2"):
        benchmark(again, None)


def test_the_file_of_a_lower_resolution_takes_the_smaller_image(tmp_path: Path) -> None:
    options = {"stages": [{"channels": 16, "depth": 1}] * 3, "resolution": 0.75, "ops": ["ibn_k3_e3"]}
    network = small_network(("segmentation", "depth"), 2, space={"name": "nano", **options})
    network.save(tmp_path / "small")
    for outputs, factor in (("full", 1), ("labels", 1), ("raw", 16 / 3)):
        made, *_ = exported(network, "pt2", outputs=outputs)
        runtime = open_file(made.path)
        assert made.reason == "" and made.macs == runtime.macs()
        assert (runtime.size, runtime.predicted_size) == ((48, 96), network.description.train_size)
        assert runtime.facts.results[0].enlarge == pytest.approx(factor)
    # The host scales pictures to the file's size: rounding to bytes is all that differs from the network's own way.
    torch_row, file_row = benchmark(network, own_data.source_of(network.description).split("search")).rows
    assert (torch_row.size, file_row.size) == ((64, 128), (48, 96))
    assert all(abs(change) < 0.02 * abs(torch_row.metrics[key]) + 0.02 for key, change in file_row.change.items())


def test_the_enlargement_of_a_lower_resolution_is_cut_at_any_size() -> None:
    """65 x 129 at half the resolution: 33 x 65, whose predictions have 66 x 130."""
    space = EdnasSpace({"depth": 1}, "nano", resolution=[0.5])
    module = build(space, domains_of(space).random(np.random.default_rng(0))).eval()
    graph = inference_graph(module, {"depth": Decoding()}, (65, 129))
    assert graph.size == (33, 65) and graph.enlarge["depth"] > 1
    (raw,) = graph.run(torch.zeros(1, 3, 33, 65)).values()
    assert raw.shape[-1] < 33


def test_labels_need_a_decoding(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the file would call logits labels."""
    depth = network.tasks["depth"]
    monkeypatch.setattr(type(depth), "decoding", Task.decoding)
    with pytest.raises(NetworkError, match="labels: depth does not say how its output is decoded"):
        exported(network, "pt2", outputs="labels")


def test_what_others_did_with_the_folder_meanwhile(with_a_file: Network) -> None:
    """Another export stays known; a network that was trained anew is not written over."""
    held = ednas_nni.load(with_a_file.folder)
    (made,) = exported(ednas_nni.load(with_a_file.folder), "pt2")
    written = made.path.rename(made.path.with_name("other.pt2"))
    with_a_file.add_file(written, "pt2")
    assert held.description.files.keys() == {"network.safetensors", "network.pt2"}
    held.add_file(made.path.with_name("other.pt2"), "pt2")
    assert "other.pt2" in ednas_nni.load(held.folder).description.files
    anew = ednas_nni.load(held.folder)
    with torch.no_grad():
        next(anew.module.parameters()).add_(1)
    anew.save(held.folder)
    with pytest.raises(NetworkError, match="holds another network by now"):
        held.add_file(held.folder / "network.safetensors", "pt2")
    assert ednas_nni.load(held.folder).description == anew.description


def test_too_few_images_name_the_way_out() -> None:
    with pytest.raises(NetworkError, match=r"3 images are too few .* --images FOLDER"):
        odd(np.zeros((3, 8, 8, 3), np.uint8))


MANY = """
import sys
import ednas_nni
network = ednas_nni.load(sys.argv[1])
print(flush=True)
sys.stdin.readline()
for i in range(20):
    made = network.folder / f"{sys.argv[2]}{i}.pt2"
    made.write_bytes(b"x")
    network.add_file(made, "pt2")
"""


def test_exports_at_the_same_time_are_all_known(network: Network) -> None:
    words = [sys.executable, "-c", MANY, str(network.folder)]
    both = [Popen([*words, name], stdin=PIPE, stdout=PIPE, text=True) for name in "ab"]
    for one in both:
        one.stdout.readline()
    for one in both:
        one.communicate("\n")
    assert [one.returncode for one in both] == [0, 0]
    assert len(ednas_nni.load(network.folder).description.files) == 41


def test_weights_that_were_trained_on_are_saved_before_they_are_exported(with_a_file: Network) -> None:
    """Else the folder would hold two networks: the file of one, the weights of another."""
    network = ednas_nni.load(with_a_file.folder)
    with torch.no_grad():
        next(network.module.parameters()).mul_(1.5)
    with pytest.raises(NetworkError, match=r"the module has other weights by now\. Save it"):
        exported(network, "pt2")
    network.save(with_a_file.folder)
    assert exported(network, "pt2")[0].reason == ""


def test_pictures_of_a_data_set_are_those_of_its_images(tmp_path: Path) -> None:
    """Class maps and depth are no pictures to calibrate on; without names that tell, all are taken."""
    for name in ("images/0.png", "seg/0.png", "depth/0.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    assert pictures.listed(tmp_path) == [tmp_path / "images/0.png"]
    assert pictures.listed(tmp_path / "depth") == [tmp_path / "depth/0.png"]


def test_a_network_priced_with_classes_is_written_scored_and_shown_with_them(tmp_path: Path) -> None:
    space = {"name": "nano", "stages": [{"channels": 16, "depth": 1}] * 3, "ops": ["ibn_k3_e3"]}
    network = small_network(("segmentation", "depth"), 20, space=space, deploy_outputs="classes")
    network.save(tmp_path / "small")
    (made,) = exported(ednas_nni.load(tmp_path / "small"), "pt2")
    runtime = open_file(made.path)
    assert (made.reason, runtime.facts.outputs, runtime.facts.results[0].enlarge) == ("", "classes", 4)
    size = network.description.train_size
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    given = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    coarse = runtime.run(given)["segmentation"]
    assert (coarse.dtype, coarse.shape) == (np.uint8, (1, size[0] // 4, size[1] // 4))
    scores = inference_graph(network.module, {"segmentation": Decoding()}, size).run(torch.from_numpy(given))
    assert (scores["segmentation"].argmax(1).numpy() == coarse).mean() > 0.999
    network = ednas_nni.load(tmp_path / "small")
    assert np.array_equal(network.predict(image, runtime)["segmentation"], coarse[0].repeat(4, 0).repeat(4, 1))
    _, file_row = benchmark(network, own_data.source_of(network.description).split("search")).rows
    assert file_row.outputs == "classes" and abs(file_row.change["segmentation_miou"]) < 0.02
    assert file_row.change["depth_abs_error_m"] == pytest.approx(0, abs=1e-4)
    (raw,) = exported(network, "pt2", outputs="raw")
    assert open_file(raw.path).facts.outputs == "raw"


def test_from_python(network: Network, tmp_path: Path) -> None:
    size = network.description.train_size
    (file,) = network.export(tmp_path / "copy", "pt2", size=size)
    assert file == tmp_path / "copy" / "network.pt2" and open_file(file).size == size
    with pytest.raises(DataError, match="holds no pictures"):
        network.export(to="pt2", images=tmp_path / "copy")


def _at(network: Network, size: tuple[int, int]) -> object:
    from ednas_nni.networks.runtime import TorchRuntime

    return TorchRuntime(network.module, size)


def test_what_does_not_prove_itself_is_not_written(with_a_file: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    network = with_a_file
    before = {path.name: path.read_bytes() for path in network.folder.iterdir()}
    right = pt2.Pt2.write

    def shifted(self: pt2.Pt2, order: Order, path: Path) -> None:
        for name, parameter in order.graph.module.named_parameters():
            if name.endswith("folded_bias"):
                parameter.data += 0.05
        right(self, order, path)

    monkeypatch.setattr(pt2.Pt2, "write", shifted)
    (refused,) = exported(network, "pt2")
    assert refused.path is None and "does not answer as torch does" in refused.reason and "\n" not in refused.reason
    assert {path.name: path.read_bytes() for path in network.folder.iterdir()} == before


def test_a_file_of_another_cost_than_the_strategy_saw_is_not_written(network: Network) -> None:
    about = network.description
    costs = tuple(c.model_copy(update={"value": c.value * 2}) if c.name == "macs" else c for c in about.costs)
    network.description = about.model_copy(update={"costs": costs, "deploy_size": about.train_size})
    (refused,) = exported(network, "pt2")
    assert refused.path is None and "MACs" in refused.reason


def test_the_benchmark_scores_the_file_and_not_the_network(with_a_file: Network) -> None:
    network = with_a_file
    source = own_data.source_of(network.description)
    split, train = source.split("search"), source.split("train")
    rows = {row.format: row for row in benchmark(network, split, train).rows}
    assert rows["torch"].metrics.keys() == rows["pt2"].metrics.keys() and len(rows["pt2"].metrics) > 6
    assert all(abs(change) < 1e-3 for change in rows["pt2"].change.values())
    assert 0 < rows["pt2"].milliseconds.median <= rows["pt2"].milliseconds.upper90
    with torch.no_grad():  # the module is another one now, the file is not
        network.module.heads["depth"].predict.bias += 1
    later = {row.format: row for row in benchmark(network, split, train).rows}
    assert later["pt2"].metrics == rows["pt2"].metrics
    assert abs(later["pt2"].change["depth_abs_error_m"]) > 0.1


def test_commands(network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, empty = str(network.folder), tmp_path / "empty"
    empty.mkdir()
    assert main(["export", folder, "--to", "pt2", "--size", "train", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert made["macs"] == sum(r.macs for r in layer_records(network.module, network.description.train_size))
    assert main(["benchmark", folder, "--split", "search", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [row["format"] for row in table["rows"]] == ["torch", "pt2"] and "macs" in table["believed"]
    for line, says in (
        (["export", folder, "--to", "onxx"], "Did you mean 'onnx'?"),
        (["export", folder, "--to", "pt2", "--size", "8,8"], "cannot be written down for an image of 8 x 8"),
        (["export", folder, "--to", "pt2", "--images", str(empty)], "holds no pictures"),
        (["benchmark", folder, "--format", "onnx"], "has no onnx"),
        (["benchmark", folder + "x"], "network"),
    ):
        assert main(line) == 1
        assert says in capsys.readouterr().err
    for line, says in (
        (["export", folder, "--to", "pt2", "--size", "big"], "is not train, deploy, or height and width"),
        (["benchmark", folder, "--threads", "0"], "at least 1"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(line)
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(preset, marks=[] if preset in ("nano", "single_task") else pytest.mark.slow)
        for preset in presets.names()
    ],
)
def test_raw_files_of_every_space_end_where_costs_end(preset: str) -> None:
    tasks = {"depth": 1} if preset == "single_task" else {"segmentation": 3, "depth": 1}
    space = EdnasSpace(tasks, preset)
    sample = domains_of(space).random(np.random.default_rng(3))
    module, stride = build(space, sample).eval(), int(sample.get("output_stride", 4))
    # Of a height that the stride does not divide, as 720 is not: the network pads and cuts.
    graph = inference_graph(module, dict.fromkeys(tasks, Decoding()), (72, 64))
    assert set(graph.enlarge.values()) == {stride}
    assert not [n for n in graph.module.graph.nodes if "batch_norm" in str(n.target)]
    image = torch.rand(1, 3, 72, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = module(image)
    for task, raw in graph.run(image).items():
        whole = torch.nn.functional.interpolate(raw, scale_factor=float(stride), mode="bilinear", align_corners=False)
        assert torch.allclose(whole[..., :72, :], wanted[task], atol=1e-4), task
