"""The contract of a loss weighting, for a test of its author: `check_weighting(MyWeighting, temperature=3.0)`.

All checks raise `PluginError` with what is wrong and how to correct it; each can also be called alone.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ednas_nni.errors import PluginError
from ednas_nni.tasks.base import TASKS, Task
from ednas_nni.tasks.weighting.base import GradientWeighting, Weighting
from ednas_nni.testing.rules import broken, rule
from ednas_nni.testing.tasks import Labels

Make = Callable[[], Weighting]


def check_weighting(weighting: Callable[..., Weighting], **options: object) -> None:
    """Run the whole contract of a subclass of `Weighting`, or of a function that makes one of the tasks."""
    name = getattr(weighting, "__name__", repr(weighting))  # a partial function has none
    needed = [p.name for p in list(inspect.signature(weighting).parameters.values())[1:] if p.default is p.empty]
    if needed:
        raise PluginError(f"{name} needs {', '.join(needed)}; a study may leave every option out: give defaults.")
    make = partial(weighting, example_tasks(), **options)
    if not isinstance(make(), Weighting):
        raise PluginError(f"{name} gives a {type(make()).__name__}, not an ednas_nni.tasks.weighting.base.Weighting.")
    check_sum(make)
    check_weights(make)
    check_missing_labels(make)
    check_state(make)
    check_gradients(make)


def example_tasks() -> list[Task]:
    """Three tasks of both likelihoods."""
    names = ("segmentation", "depth", "normals")
    info = Labels.random(*names).info
    return [TASKS.load(name).for_data(info) for name in names]


def check_sum(make: Make) -> None:
    """The losses become one finite number, each with its say, whatever the order in which they come."""
    weighting, losses = make(), _losses(make(), 2.0, 0.5, 1.0)
    total = weighting(losses)
    rule(weighting, total.ndim == 0 and bool(total.isfinite()), f"forward must give one finite number, not {total}.")
    gradients = torch.autograd.grad(total, list(losses.values()), allow_unused=True)
    for name, gradient in zip(losses, gradients, strict=True):
        takes_part = gradient is not None and 0 < float(gradient) < math.inf
        rule(
            weighting, takes_part, f"a smaller loss of {name!r} must give a smaller total; its gradient is {gradient}."
        )
    backwards = make()(dict(reversed(_losses(weighting, 2.0, 0.5, 1.0).items())))
    rule(weighting, torch.allclose(total, backwards), "the total depends on the order of the losses: use `stacked`.")


def check_weights(make: Make) -> None:
    """`weights` is what each loss is multiplied by, after some steps too; a gradient method has 1 for each."""
    weighting = make()
    _trained(weighting, 5)
    losses = _losses(weighting, 2.0, 0.5, 1.0)
    total = weighting.eval()(losses)
    factors = [float(gradient) for gradient in torch.autograd.grad(total, list(losses.values()))]
    weights = weighting.weights()
    rule(weighting, list(weights) == list(losses), f"weights() names {list(weights)}, but tasks are {list(losses)}.")
    same = all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(weights.values(), factors, strict=True))
    rule(weighting, same, f"weights() gives {weights}, but the losses are multiplied by {factors}.")


def check_missing_labels(make: Make) -> None:
    """A batch without a label of one task (its loss is 0, its gradient too) does not stop the others."""
    weighting = make().train()
    losses = _losses(weighting, 2.0, 0.0, 1.0)
    total = weighting(losses)
    first, _, last = torch.autograd.grad(total, list(losses.values()))
    alive = bool(total.isfinite()) and 0 < float(first) < math.inf and 0 < float(last) < math.inf
    rule(weighting, alive, f"with a loss of 0 the total is {total.item()}; the other tasks must be trained on.")
    weights = weighting.weights()
    rule(weighting, all(map(math.isfinite, weights.values())), f"with a loss of 0 weights() gives {weights}.")


def check_state(make: Make) -> None:
    """`state_dict` holds everything: a copy goes on as the original does."""
    weighting, copy = make(), make()
    _trained(weighting, 5)
    copy.load_state_dict(weighting.state_dict())
    for step in range(5, 60):  # past the windows of a weighting that looks back
        _trained(weighting, step + 1, step)
        _trained(copy, step + 1, step)
        same = weighting.weights() == copy.weights()
        rule(weighting, same, f"a copy of its state_dict has other weights at step {step}: register buffers for all.")


def check_gradients(make: Make) -> None:
    """A gradient method gives every parameter its gradient: a head its own task's, and adds it to what is there."""
    weighting = make()
    if not isinstance(weighting, GradientWeighting):
        return
    torch.manual_seed(0)
    shared, heads = nn.Linear(4, 5), {name: nn.Linear(5, 1) for name in weighting.names}
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    parameters = [*shared.parameters(), *(p for head in heads.values() for p in head.parameters())]

    def losses() -> dict[str, Tensor]:
        hidden = torch.tanh(shared(torch.linspace(-1, 1, 12).reshape(3, 4))) * frozen
        return {name: (head(hidden) - i).square().mean() for i, (name, head) in enumerate(heads.items())}

    weighting.backward(losses(), [*parameters, frozen])
    rule(weighting, frozen.grad is None, "backward must leave parameters alone that are not trained.")
    left = [p for p in parameters if p.grad is None or not p.grad.isfinite().all()]
    rule(weighting, not left, f"backward leaves {len(left)} of {len(parameters)} parameters without a finite gradient.")
    for name, head in heads.items():
        (expected,) = torch.autograd.grad(losses()[name], [head.weight])
        close = torch.allclose(_gradient(head), expected, atol=1e-6)
        rule(weighting, close, f"the head of {name!r} must get the gradient of its own task, as it is.")
    head = heads[weighting.names[0]]
    before = _gradient(head)
    weighting.backward(losses(), parameters)
    added = torch.allclose(_gradient(head), 2 * before, atol=1e-6)
    rule(weighting, added, "backward must add to gradients that are there, as several batches may make one step.")
    shared.weight.grad = None
    unlabelled = losses() | {weighting.names[1]: 0 * losses()[weighting.names[1]]}
    weighting.backward(unlabelled, parameters)
    alive = bool(_gradient(shared).isfinite().all()) and bool(_gradient(shared).any())
    rule(weighting, alive, "a batch without a label of one task must train shared parameters for the others.")


def _gradient(head: nn.Linear) -> Tensor:
    return torch.zeros_like(head.weight) if head.weight.grad is None else head.weight.grad.clone()


def _losses(weighting: Weighting, *values: float) -> dict[str, Tensor]:
    pairs = zip(weighting.names, values, strict=True)
    return {name: torch.tensor(value, requires_grad=True) for name, value in pairs}


def _trained(weighting: Weighting, steps: int, first: int = 0) -> None:
    """Steps with falling losses, in which the weighting's own parameters are trained too."""
    weighting.train()
    for step in range(first, steps):
        losses = _losses(weighting, 2.0 / (step + 1), 0.5, 1.0 / (step + 2))
        try:
            weighting({name: loss.exp().log() for name, loss in losses.items()}).backward()  # which frees this step
        except RuntimeError as error:
            raise broken(weighting, f"step {step + 1} fails: detach what is kept of losses ({error}).") from error
        with torch.no_grad():
            for parameter, gradient in [(p, p.grad) for p in weighting.parameters() if p.grad is not None]:
                parameter.sub_(0.1 * gradient)
                parameter.grad = None
