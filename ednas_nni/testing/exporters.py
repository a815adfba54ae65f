"""The contract of an exporter, for a test of its author: `check_exporter(MyFormat, tmp_path)`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ednas_nni.cost.layers import layer_records
from ednas_nni.errors import NetworkError, PluginError
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.networks.export.base import Exporter, Images, Order, facts_for
from ednas_nni.networks.export.proof import LEAST, agreements, odd
from ednas_nni.nn.heads import Head
from ednas_nni.tasks.decoding import Decoding, Outputs
from ednas_nni.testing.rules import broken, rule

SIZE = (32, 64)
DECODINGS = {
    "segmentation": Decoding("argmax"),
    "depth": Decoding("softplus", 0.5, "m"),
    "normals": Decoding("normalize"),
    "edges": Decoding("above_zero"),
}


class ExampleNetwork(nn.Module):
    """A little of everything that networks of our spaces have; batch norms whose folding shows."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.squeeze = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Sigmoid())
        self.lateral = nn.Conv2d(8, 8, 1)
        channels = {"segmentation": 5, "depth": 1, "normals": 3, "edges": 1}
        self.heads = nn.ModuleDict({task: Head(8, n, 8, 2, task=task) for task, n in channels.items()})
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                    nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]  # none of them is None here
        images = torch.from_numpy(example_images()).permute(0, 3, 1, 2) / 255
        for task, head in self.eval().heads.items():
            assert isinstance(head, Head), "made above"
            head.features = nn.Identity()
            if task != "segmentation":
                head.predict.reset_parameters()
                continue
            nn.init.normal_(head.predict.weight)
            head.set_output_bias(-self(images)[task].mean((0, 2, 3)))  # else one class would win everywhere

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, H, W) to task -> (N, C, H, W)."""
        stem = self.stem(image)
        deep = self.deep(stem)
        deep = deep * self.squeeze(deep.mean((2, 3), keepdim=True))
        fused = self.lateral(stem) + _doubled(deep)
        return {task: head(fused) for task, head in self.heads.items()}


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def example_images(count: int = LEAST, size: tuple[int, int] = SIZE) -> Images:
    """Smooth pictures of random colours, uint8 (n, H, W, 3)."""
    coarse = torch.rand(count, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    smooth = functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return (smooth * 255).byte().permute(0, 2, 3, 1).numpy()


def check_exporter(exporter: type[Exporter], folder: Path, network: nn.Module | None = None) -> None:
    """Write an example network with every kind of outputs, and compare each file with torch.

    Another network than the example must be of the same four tasks.
    """
    made = exporter()
    named = f"exporter {made.name!r}"
    rule(named, made.suffix.startswith("."), f"suffix is {made.suffix!r}; it must begin with a point.")
    torch.manual_seed(0)
    network = (network or ExampleNetwork()).eval()
    for outputs in made.gives:
        check_file(made, network, outputs, folder / f"{outputs}{made.suffix}")
    damaged = folder / f"broken{made.suffix}"
    damaged.write_bytes(b"no such file" * 10)
    try:
        made.open(damaged)
    except NetworkError:
        return
    raise broken(named, "a damaged file must be rejected with NetworkError.")


def check_file(exporter: Exporter, network: nn.Module, outputs: Outputs, path: Path) -> None:
    """One kind of outputs: metadata, resolution, answers, multiply-adds."""
    require = partial(rule, f"exporter {exporter.name!r}")
    images = example_images()
    graph = inference_graph(network, DECODINGS, SIZE, outputs)
    facts = facts_for(exporter, graph, network="example", architecture="0000")
    try:
        exporter.write(Order(graph, facts, images), path)
        runtime = exporter.open(path)
        said = runtime.facts
        shapes = {task: x.shape for task, x in runtime.run(np.zeros((1, 3, *SIZE), np.float32)).items()}
        compared = agreements(network, DECODINGS, runtime, odd(images))
    except NetworkError as error:
        raise PluginError(f"exporter {exporter.name!r}, outputs {outputs!r}: {error}") from error
    says = (said.format, said.outputs, tuple(r.task for r in said.results), runtime.size)
    wanted = (exporter.name, outputs, tuple(DECODINGS), SIZE)
    require(says == wanted, f"a file says {says} of itself, not {wanted}.")
    least = (SIZE[0] // 2, SIZE[1] // 2) if outputs in ("raw", "classes") else SIZE
    coarse = {task: shape for task, shape in shapes.items() if shape[-2:] != least}
    require(not coarse, f"outputs {outputs!r} must be of {least} pixels, not {coarse}.")
    for agreement in compared:
        fault = agreement.fault(exporter.tolerance)
        require(not fault, f"outputs {outputs!r}: {fault}.")
    macs = sum(record.macs for record in layer_records(network, SIZE))
    require(runtime.macs() == macs, f"the file has {runtime.macs()} MACs, the network {macs}.")
