"""The multi-task template: a shared trunk that tasks may leave, fusion, one head per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ednas_nni.compat.nas import Repeat, current_model
from ednas_nni.nn import encoders, sharing
from ednas_nni.nn.blocks.base import Slot, block_choice
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.dense import DenseSpace
from ednas_nni.nn.efficientnet_lite import EfficientNetLite
from ednas_nni.nn.elementwise import Channels
from ednas_nni.nn.fusion import LEVELS, fusion_choice
from ednas_nni.nn.heads import Head
from ednas_nni.nn.sharing import OwnBranch, Shared
from ednas_nni.nn.sizes import OUTPUT_STRIDE, RESOLUTION, Entry, enlargement
from ednas_nni.nn.spec import StageSpec, TemplateSpec, width
from ednas_nni.space.domains import Condition, Literal, Sample, Scalar


class MultiTaskSpace(DenseSpace):
    """A model space of multi-task networks for dense prediction.

    image -> stem (stride 2) -> stages (strides 4, 8, ...) -> fusion (stride 4) -> one head per task -> the image's
    size. Where the numbers allow it, each task may leave this trunk: with its own fusion, or with its own stages from
    one on. The image may be shrunk first, and the fusion may end at stride 8 (`ednas_nni.nn.sizes`). In the place of
    stem and stages there may be a choice among published encoders. A subclass gives the numbers: its constructor takes
    plain data only, calls `super().__init__()` and then `assemble`.

    What no task reads (the last shared stage when all tasks have their own) is not part of the network.
    """

    def assemble(
        self, tasks: Mapping[str, int], spec: TemplateSpec, encoder_files: Mapping[str, Path] | None = None
    ) -> None:
        """Construct all modules, of the tasks and their output channels.

        Published encoders start at random where there is no file of weights for them.
        """
        self.begin(tasks)
        # A task that is alone has nobody to share with: every way would be the same network.
        self._sharing = spec.sharing if len(tasks) > 1 else ("shared",)
        self.resolutions, strides, self._levels = spec.resolution, spec.heads.stride, spec.fusion.levels
        searched = ((RESOLUTION, spec.resolution), (OUTPUT_STRIDE, strides))
        self.size_labels = tuple(label for label, values in searched if len(values) > 1)
        if spec.resolution != (1,):
            self.entry = Entry(spec.resolution)
        widths = self._published(spec, encoder_files or {}) if spec.encoders else self._searched(spec)
        fused = width("fusion_width", spec.fusion.channels)
        self.fusion: nn.Module | None = _fusion(spec, widths[1:], fused, "fusion")
        self.branches = nn.ModuleDict()
        if self._sharing != ("shared",):
            for task in tasks:
                ways = {way: partial(_branch, task, way, spec, widths, fused) for way in self._sharing}
                self.branches[task] = choice_or_only(ways, sharing.label(task))
        scale, kinds = enlargement(strides, spec.resolution), spec.heads.kinds
        self.heads = nn.ModuleDict()
        for task, n in tasks.items():
            inner = width(f"{task}_head_width", spec.heads.channels)
            made = {kind: partial(Head, fused, n, inner, scale, kind, spec.activation, task) for kind in kinds}
            self.heads[task] = choice_or_only(made, f"{task}_head")
        sample = current_model()
        if sample is not None:
            self._prune(sample)

    def _searched(self, spec: TemplateSpec) -> list[Channels]:
        """Stem and stages; returns their channels."""
        self.stride = 2 ** (len(spec.stages) + 1)
        self.encoder: nn.Module | None = None
        stem = width("stem_width", spec.stem)
        self.stem: nn.Module | None = ConvNorm(3, stem, 3, stride=2, activation=spec.activation)
        widths = [stem, *(width(f"stage{i}_width", s.channels) for i, s in enumerate(spec.stages, 1))]
        self.stages = nn.ModuleList(_stages("", spec, widths, 0))
        return widths

    def _published(self, spec: TemplateSpec, files: Mapping[str, Path]) -> list[Channels]:
        """One of several encoders; returns the channels of its features, behind what stands for those of a stem."""
        levels = max(self._levels, default=encoders.FEATURES)
        self.stride = 2 ** (levels + 1)
        self.encoder = encoders.encoder_choice(spec.encoders, files, levels)
        self.stem = None
        self.stages = nn.ModuleList()
        features = encoders.channels(spec.encoders, levels)
        return [features[0], *features]

    def liveness(self) -> Mapping[str, Condition]:
        """When the shared stages and the shared fusion are read by any task; see `ednas_nni.nn.tree.walk`."""
        alive = dict(sharing.liveness(self.tasks, self._sharing, len(self.stages)) if self.branches else {})
        levels = {f"stages.{i}": i + 1 for i in range(len(self.stages))}
        for path, module in self.named_modules():
            if isinstance(module, EfficientNetLite):
                levels |= {f"{path}.{block}": level for block, level in module.levels().items()}
        for path, level in levels.items() if self._levels else ():
            if level > min(self._levels):
                fused = Literal(LEVELS, frozenset(str(end) for end in self._levels if end >= level))
                alive[path] = (*alive.get(path, ()), (fused,))
        return alive

    def freeze(self, sample: Sample) -> nn.Module:
        """The network of a sample as NNI makes it, without what no task reads."""
        network = super().freeze(sample)
        assert isinstance(network, MultiTaskSpace)
        network._prune(sample)
        return network

    def _prune(self, sample: Mapping[str, Scalar]) -> None:
        """Drop shared stages and the shared fusion where no task of this network reads them."""
        if self._levels:
            levels = int(str(sample.get(LEVELS, self._levels[0])))
            del self.stages[levels:]
            if isinstance(self.encoder, EfficientNetLite):
                self.encoder.cut(levels)
        if not self.branches:
            return
        private = [len(branch.stages) if isinstance(branch, OwnBranch) else 0 for branch in self.branches.values()]
        del self.stages[len(self.stages) - min(private) :]
        if not any(isinstance(branch, Shared) for branch in self.branches.values()):
            self.fusion = None

    def predict(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """As `DenseSpace.predict`."""
        features = self._features(image)
        # In a pruned network nobody looks at what stands for the missing features.
        fused = features[-1] if self.fusion is None else self.fusion(*features[1:])
        if not self.branches:
            return {task: head(fused) for task, head in self.heads.items()}
        missing = self.stride.bit_length() - 1 - len(features)
        inputs = (*features, *(features[-1:] * missing), fused)
        return {task: head(self.branches[task](*inputs)) for task, head in self.heads.items()}

    def _features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of strides 2 (nobody reads that of a published encoder: the next stands for it), 4, 8 ..."""
        if self.encoder is not None:
            features = list(self.encoder(image))
            return [features[0], *features]
        features = [image if self.stem is None else self.stem(image)]
        for part in self.stages:
            features.append(part(features[-1]))
        return features


def stage(name: str, spec: StageSpec, inputs: Channels, outputs: Channels, stride: int, activation: str) -> nn.Module:
    """Blocks of one width at one resolution: `{name}_block1_op`, ...; `{name}_depth` says how many of them there are.

    The first block changes width and resolution, with the stride, and is always there (the least depth is 1), so every
    depth gives the same output shape: what one-shot strategies need to mix or skip the later ones. Those have a
    residual. The result is a `Repeat`, a `Sequential` inside `model_context`.
    """
    change, keep = Slot(inputs, outputs, stride, False, activation), Slot(outputs, outputs, 1, True, activation)

    def block(i: int) -> nn.Module:
        return block_choice(spec.ops, change if i == 0 else keep, f"{name}_block{i + 1}_op")

    least, greatest = spec.depth
    return Repeat(block, least) if least == greatest else Repeat(block, spec.depth, label=f"{name}_depth")


def _stages(prefix: str, spec: TemplateSpec, widths: Sequence[Channels], first: int) -> list[nn.Module]:
    """Stages from number `first` (from 0) on; `widths` begins with the stem's."""
    return [
        stage(f"{prefix}stage{i + 1}", s, widths[i], widths[i + 1], 2, spec.activation)
        for i, s in enumerate(spec.stages)
        if i >= first
    ]


def _branch(task: str, way: str, spec: TemplateSpec, widths: Sequence[Channels], fused: Channels) -> nn.Module:
    """What a task has of its own before its head; own stages have their own labels and widths."""
    if way == "shared":
        return Shared()
    first = sharing.trunk_stages(way, len(spec.stages)) if spec.stages else len(widths) - 1
    mine = [*widths[: first + 1]]
    mine += [width(f"{task}_stage{i}_width", s.channels) for i, s in enumerate(spec.stages, 1) if i > first]
    return OwnBranch(_stages(f"{task}_", spec, mine, first), _fusion(spec, mine[1:], fused, f"{task}_fusion"))


def _fusion(spec: TemplateSpec, inputs: Sequence[Channels], fused: Channels, label: str) -> nn.Module:
    kinds, ends, doubling = spec.fusion.kinds, spec.fusion.levels, spec.fusion.doubling
    return fusion_choice(kinds, inputs, fused, label, spec.activation, ends, spec.heads.stride, doubling)
