"""Whether NNI's one-shot strategies can search a space, for a test of its author.

check_one_shot(lambda: my_space({"segmentation": 5, "depth": 1}))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ednas_nni.compat.nas_search import BaseSuperNetModule
from ednas_nni.errors import EdnasError, PluginError, StudyError
from ednas_nni.nn.tree import domains_of
from ednas_nni.training import one_shot

CHECKED = ("random_one_shot", "darts", "proxyless")
"""One strategy of each way to run a supernet: one path, all paths added up, one path with the gradient of all."""


def check_one_shot(
    make: Callable[[], Any], strategies: Sequence[str] = CHECKED, size: tuple[int, int] = (64, 128)
) -> dict[str, str]:
    """A supernet runs forward and backward, its choices get gradients where they should, and its export is a sample.

    Strategies are keys of `one_shot.STRATEGIES`, without `enas`, whose supernet is that of `random_one_shot`; the size
    is divisible by the space's stride. Returned is strategy -> "" or why it cannot search this space (Proxyless and
    searched widths, for example); such a one does not fail.
    """
    reasons = {}
    for name in strategies:
        space = make()
        try:
            one_shot.check(name, space)
        except StudyError as error:
            reasons[name] = str(error)
            continue
        reasons[name] = ""
        try:
            _run(name, space, size)
        except EdnasError:
            raise
        except Exception as error:
            raise PluginError(
                f"{type(space).__name__}: {name} fails on it ({type(error).__name__}: {error}). Candidates of one "
                "choice must take the same tensors and give one tensor of the same shape, blocks of a Repeat must keep "
                "shapes, and forward may not look at what was chosen."
            ) from error
    return reasons


def _run(name: str, space: Any, size: tuple[int, int]) -> None:
    domains = domains_of(space)
    supernet = one_shot.strategy(name).mutate_model(space)
    modules = [module for module in supernet.modules() if isinstance(module, BaseSuperNetModule)]
    memo: dict[str, Any] = {}
    for module in modules:
        memo.update(module.resample(memo))
    outputs = supernet.train()(torch.rand(2, 3, *size))
    sum((output**2).mean() for output in outputs.values()).backward()
    if not any(p.grad is not None and bool((p.grad != 0).any()) for p in supernet.parameters()):
        raise RuntimeError("no parameter of the supernet gets a gradient")
    alphas = [p for n, p in supernet.named_parameters() if "_arch_alpha" in n]
    if name in one_shot.MIXING and not any(p.grad is not None and bool((p.grad != 0).any()) for p in alphas):
        raise RuntimeError("no choice of the supernet gets a gradient")
    exported: dict[str, Any] = {}
    for module in modules:
        exported.update(module.export(exported))
    domains.complete({label: exported[label] for label in domains.labels if label in exported})
