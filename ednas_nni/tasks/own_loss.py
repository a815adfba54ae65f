"""Losses by name: one of a task's own, or a function of the user's by its path, `module:function`."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ednas_nni import plugins
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.tasks.masked import wide

Loss = Callable[..., Tensor]


def checked(name: str, losses: Mapping[str, Loss], where: str, channels: int, target: Tensor, **options: float) -> str:
    """The name under which a loss is recorded; that of a path ends with its file's content, `mine:huber@1f3a09bc`.

    `where` is the option, for messages. A function of the user's is tried with a small target, (1, ..., H, W), a
    prediction of so many channels, and those of the options that it takes.

    Raises:
        StudyError: There is no such loss, or the function gives no finite scalar with a gradient.
        PluginError: The path leads to no function of the user's own.
    """
    if name in losses:
        return name
    if ":" not in name:
        raise StudyError(f"{where} is {name!r}.{did_you_mean(name, losses)} A loss of your own: 'module:function'.")
    function = _own(name)
    prediction = torch.full((1, channels, *target.shape[-2:]), 0.5, requires_grad=True)
    try:
        loss = _call(function, prediction, target, options)
        loss.backward()
        good = loss.ndim == 0 and bool(loss.isfinite()) and prediction.grad is not None
    except Exception as error:  # whatever somebody's function does
        raise StudyError(f"{where}: {name!r} cannot be called: {type(error).__name__}: {error}.") from None
    if not good:
        raise StudyError(f"{where}: {name!r} must give one finite number, as a tensor that has a gradient.")
    code = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    source = Path(inspect.getsourcefile(code) or "").read_bytes()
    return f"{name}@{hashlib.sha256(source).hexdigest()[:8]}"


def value(recorded: str, prediction: Tensor, target: Tensor, valid: Tensor, **options: float) -> Tensor:
    """A loss of the user's, by the name that `checked` gave; what it gets is what the task's own losses get.

    Without a valid pixel (a mask) the loss is 0: the function need not think of it. It gets the options that it takes.
    """
    if not valid.any():
        return prediction.sum() * 0
    return _call(_own(recorded.partition("@")[0]), wide(prediction), target, options)


def _call(function: Loss, prediction: Tensor, target: Tensor, options: Mapping[str, float]) -> Tensor:
    # A module's call hides what its `forward` takes.
    taken = inspect.signature(function.forward if isinstance(function, torch.nn.Module) else function).parameters
    return function(prediction, target, **{name: value for name, value in options.items() if name in taken})


@cache
def _own(path: str) -> Any:
    return plugins.load_path("losses", path)
