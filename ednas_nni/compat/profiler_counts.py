"""NNI's profilers leave hooks behind, overlook layers, lose parameters and count what no sample uses.

Faults, nni 3.0, nni/nas/profiler/pytorch:

* utils/shape.py removes its forward hooks only when the shapes were found; after one failed build of a profiler every
  further one on the same space runs them again and takes many times as long.
* utils/misc.py takes every module of a class of torch.nn for a layer, so also the plain `nn.Module` in which a torch.fx
  graph keeps its layers: shapes are not followed through them.
* flops.py warns about a module without children that it does not know, and drops its parameters (the weights of a
  learned sum).
* A shared part of the network that a sample does not read is counted all the same: the tree of choices cannot tell. A
  space that knows says so in a method `liveness() -> {module path: condition}`, a condition being a sequence of
  clauses, all of which must hold, each of literals with `label` and `values`, one of which must.

Upstream: not reported. Can go when all are mended.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any


def needed() -> bool:
    """Whether NNI's own functions are still in place."""
    from nni.nas.profiler.pytorch import flops

    return not hasattr(flops.count_flops_params, "_mended")


def apply() -> None:
    """Replace the functions by ones that clean up, look inside and count what is there."""
    if not needed():
        return
    from nni.nas.profiler.pytorch import flops, utils
    from nni.nas.profiler.pytorch.utils import shape, shape_formula
    from torch import nn

    register = shape._register_shape_inference_hooks
    opened: list[list[Any]] = []

    @wraps(register)
    def remembering(*args: Any, **kwargs: Any) -> Any:
        handles, shapes = register(*args, **kwargs)
        if opened:
            opened[-1].extend(handles)
        return handles, shapes

    def tidy(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            opened.append([])
            stack = list(shape._current_module_names)
            try:
                return function(*args, **kwargs)
            except BaseException:
                shape._current_module_names[:] = stack
                raise
            finally:
                with ExitStack() as ending:
                    for handle in opened.pop():
                        ending.callback(handle.remove)

        return called

    shape._register_shape_inference_hooks = remembering
    shape.shape_inference = tidy(shape.shape_inference)
    shape.submodule_input_output_shapes = tidy(shape.submodule_input_output_shapes)
    for place in (flops, utils):  # they have imported it by name
        place.submodule_input_output_shapes = shape.submodule_input_output_shapes
    for place in (shape_formula, utils):
        place.shape_inference = shape.shape_inference
    is_leaf = shape.is_leaf_module
    shape.is_leaf_module = lambda module: type(module) is not nn.Module and is_leaf(module)
    flops.count_flops_params = _counting(flops)


def _counting(flops: Any) -> Callable[..., Any]:
    original = flops.count_flops_params
    factors: dict[str, Any] = {}  # module path -> 1 for samples whose network uses the module, else 0

    def count_flops_params(name: str, module: Any, shapes: Any, config: Any) -> Any:
        if name == "":
            factors.clear()
            factors.update(_used(module))
        if flops.find_flops_formula(module) is None and next(module.children(), None) is None:
            own = float(sum(p.numel() for p in module.parameters(recurse=False)))
            found = flops.FlopsResult(0.0, own)
        else:
            found = original(name, module, shapes, config)
        if name in factors:
            found = flops.FlopsResult(found.flops * factors[name], found.params * factors[name])
        return found

    count_flops_params._mended = True  # type: ignore[attr-defined]
    return count_flops_params


def _used(space: Any) -> dict[str, Any]:
    """The conditions of a space's `liveness` as NNI expressions."""
    from nni.mutable import MutableExpression

    liveness = getattr(space, "liveness", None)
    if liveness is None:
        return {}
    choices = space.simplify()
    found = {}
    for path, condition in liveness().items():
        factor: Any = 1
        for clause in condition:
            none: Any = 1  # 1 where no literal of the clause holds
            for literal in clause:
                choice = choices[literal.label]
                misses = {value: int(value not in literal.values) for value in choice.values}
                none = none * MutableExpression.switch_case(choice, misses)
            factor = factor * (1 - none)
        found[path] = factor
    return found
