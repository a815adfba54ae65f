"""The contract of a search space, for a test of its author.

`check_space(lambda: my_space({"segmentation": 5, "depth": 1}))`

`ednas_nni.testing.architectures` looks at many architectures, at costs and at the size of small spaces.
All checks raise `PluginError` with what is wrong and how to correct it; each can also be called alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.errors import PluginError
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.nn.tree import build, domains_of, instantiate, walk
from ednas_nni.space.domains import Domains, Sample, Scalar
from ednas_nni.testing.rules import broken, plain, rule


def check_space(
    make: Callable[[], ModelSpace], size: tuple[int, int] = (64, 128), samples: int = 4, seed: int = 0
) -> None:
    """Run the whole contract.

    `make` constructs the space (an NNI `ModelSpace` with `tasks`, `stride`, `set_output_bias`); so many random
    architectures are checked, on images of a height and width divisible by its stride.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    space = make()
    domains = domains_of(space)
    drawn = [domains.random(rng) for _ in range(samples)]
    check_arguments(space)
    check_labels(space, domains)
    check_leaves(space)
    for sample in drawn:
        check_samples(domains, sample)
        check_activity(space, domains, sample)
        check_identity(space, domains, sample, rng)
    for sample in drawn[:2]:
        check_network(space, sample, size)
        check_build(space, sample)


def check_arguments(space: ModelSpace) -> None:
    """The constructor's arguments are plain data: trials receive them as JSON and construct the space anew."""
    given = [list(space.trace_args), dict(space.trace_kwargs)]
    if not plain(given):
        raise broken(
            space, f"the constructor's arguments must be plain data (numbers, strings, lists, dicts), not {given!r}."
        )


def check_labels(space: ModelSpace, domains: Domains) -> None:
    """The labels are NNI's own, in NNI's order, and survive JSON."""
    if list(domains.labels) != list(space.simplify()):
        raise broken(
            space,
            f"the labels {list(domains.labels)} differ from NNI's {list(space.simplify())}. Does a module "
            "override leaf_mutables or hide a choice?",
        )
    if Domains.from_json(json.loads(json.dumps(domains.to_json()))) != domains:
        raise broken(space, "the domains do not survive JSON; values must be JSON scalars.")


def check_leaves(space: ModelSpace) -> None:
    """Every parameter sits in a module without children, where the cost table looks."""
    inside = {id(p) for leaf in walk(space) for p in leaf.module.parameters()}
    outside = [name for name, p in space.named_parameters() if id(p) not in inside]
    if outside:
        raise broken(
            space,
            f"the parameters {outside[:3]} belong to a module that has children. Move them into a small "
            "module of their own, or the cost table cannot see them.",
        )


def check_samples(domains: Domains, sample: Sample) -> None:
    """Encoding, naming and completing a sample agree with each other."""
    canonical = domains.canonical(sample)
    if domains.decode(domains.encode(sample)) != canonical or domains.canonical(canonical) != canonical:
        raise PluginError(
            f"decode(encode(s)) and canonical(canonical(s)) must both be canonical(s); not so for {sample}."
        )
    if domains.complete(domains.active(sample)) != canonical:
        raise PluginError(f"The active labels of {sample} do not determine its architecture.")
    if domains.canonical(json.loads(json.dumps(canonical))) != canonical:
        raise PluginError(f"The sample {sample} does not survive JSON.")


def check_activity(
    space: ModelSpace, domains: Domains, sample: Sample, active: Callable[[Sample], Mapping[str, Scalar]] | None = None
) -> None:
    """The active labels are those that NNI's own validator reads, less those that `liveness` switches off.

    NNI's `check_contains` descends into the chosen candidate and the first `depth` blocks only. `active` is what is
    checked; `domains.active` by default.
    """
    ours = set((active or domains.active)(sample))
    reads = _Reads(sample)
    error = space.check_contains(reads)
    rule(space, error is None, f"NNI rejects the sample {sample}: {error}")
    theirs = reads.seen & set(domains.labels)
    wrong = ours - theirs if capabilities_of(space).liveness() else ours ^ theirs
    if wrong:
        raise broken(
            space,
            f"NNI reads {sorted(theirs - ours)} and does not read {sorted(ours - theirs)} in {sample}. "
            "A module's check_contains and the module tree must tell the same story.",
        )


def check_identity(
    space: ModelSpace,
    domains: Domains,
    sample: Sample,
    rng: np.random.Generator,
    identify: Callable[[Sample], str] | None = None,
) -> None:
    """Two samples have the same id exactly when their networks have the same modules and shapes.

    Every label of the sample is changed in turn and the instantiated module trees are the judge. `identify` is what is
    checked; `domains.architecture_id` by default.
    """
    identify = identify or domains.architecture_id
    here, tree = identify(sample), structure(instantiate(space, sample))
    for dimension in domains.dimensions:
        others = [v for v in dimension.values if v != sample[dimension.label]]
        if not others:
            continue
        other = {**sample, dimension.label: others[int(rng.integers(len(others)))]}
        same_id, same_tree = identify(other) == here, structure(instantiate(space, other)) == tree
        if same_id != same_tree:
            raise broken(
                space,
                f"{dimension.label} from {sample[dimension.label]!r} to {other[dimension.label]!r} "
                f"gives {'the same' if same_id else 'another'} id but {'the same' if same_tree else 'another'} "
                "network. Does a label matter that the tree calls inactive, does liveness() lack a case, or are two "
                "candidates identical?",
            )


def check_network(space: ModelSpace, sample: Sample, size: tuple[int, int]) -> None:
    """The network predicts every task at the input's resolution and uses all it has; the output bias acts."""
    network = build(space, sample)
    check_forward(space, network, sample, size)
    check_output_bias(space, network, size)


def check_forward(space: ModelSpace, network: nn.Module, sample: Sample, size: tuple[int, int]) -> None:
    """The network predicts every task at the input's resolution, finite, and every parameter gets a finite gradient.

    It is left in training mode.
    """
    image = torch.rand(2, 3, *size)
    outputs, tasks = network.train()(image), capabilities_of(network).tasks
    rule(space, list(outputs) == list(tasks), f"the network must return the tasks {list(tasks)}, not {list(outputs)}.")
    for task, output in outputs.items():
        if output.ndim != 4 or output.shape[0] != 2 or output.shape[2:] != image.shape[2:]:
            raise broken(space, f"{task} must be (2, C, {size[0]}, {size[1]}), not {tuple(output.shape)}.")
        rule(space, bool(torch.isfinite(output).all()), f"{task} is not finite at the start. Check the initialisation.")
    sum((output**2).mean() for output in outputs.values()).backward()
    unused = [name for name, p in network.named_parameters() if p.grad is None]
    if unused:
        raise broken(
            space,
            f"{unused[:3]} take no part in any output of {sample}. Say when they do in "
            "liveness() and leave them out of the network.",
        )
    if not all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None):
        raise broken(space, "a gradient is not finite at the start.")


def check_output_bias(space: ModelSpace, network: nn.Module, size: tuple[int, int]) -> None:
    """`set_output_bias` moves the raw output of one task everywhere, and of no other task."""
    image, said = torch.rand(2, 3, *size), capabilities_of(network.eval())
    with torch.no_grad():
        for task in said.tasks:
            before = network(image)
            said.set_output_bias(task, torch.zeros(before[task].shape[1]))
            zero = network(image)
            said.set_output_bias(task, torch.full((before[task].shape[1],), 2.0))
            moved = network(image)
            if not torch.allclose(moved[task], zero[task] + 2, atol=1e-4):
                raise broken(space, f"set_output_bias({task!r}, 2) must raise the raw output by 2 everywhere.")
            if any(not torch.equal(moved[t], before[t]) for t in said.tasks if t != task):
                raise broken(space, f"set_output_bias({task!r}, ...) must leave the other tasks alone.")


def check_build(space: ModelSpace, sample: Sample) -> None:
    """`build` gives what NNI's own `freeze` gives."""
    built, frozen = build(space, sample), space.freeze(sample)
    if structure(built) != structure(frozen):
        raise broken(space, f"model_context and freeze give different networks for {sample}.")
    shared = {id(p) for p in built.parameters()} & {id(p) for p in space.parameters()}
    rule(space, not shared, f"a built network shares {len(shared)} parameters with the space.")


def structure(network: nn.Module) -> tuple[tuple[str, str, str, tuple[tuple[str, tuple[int, ...]], ...]], ...]:
    """What makes two networks the same: path, type, settings and parameter shapes of every leaf module."""
    return tuple(
        (
            name,
            type(m).__name__,
            m.extra_repr(),
            tuple((n, tuple(p.shape)) for n, p in m.named_parameters(recurse=False)),
        )
        for name, m in network.named_modules()
        if next(m.children(), None) is None
    )


class _Reads(dict[str, Scalar]):
    """A sample that remembers which labels were read."""

    def __init__(self, sample: Mapping[str, Scalar]) -> None:
        super().__init__(sample)
        self.seen: set[str] = set()

    def __getitem__(self, label: str) -> Scalar:
        self.seen.add(label)
        return super().__getitem__(label)

    def __contains__(self, label: object) -> bool:
        self.seen.add(str(label))
        return super().__contains__(label)

    def get(self, label: str, default: Scalar = None) -> Scalar:  # type: ignore[override]
        self.seen.add(label)
        return super().get(label, default)
