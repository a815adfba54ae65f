"""A training that goes on where it was killed, and ends in the same weights to the bit on one thread.

What a training is at a step: weights and statistics of the network, moments of the optimiser, place in the schedule,
average of the weights, what the weighting of the losses remembers, the generators of random numbers, and which images
come next. The last is a number: batches are drawn from (seed, epoch), so the steps taken say it. Everything else is
tensors and plain data in one safetensors file, which is replaced as a whole and holds nothing that could run.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ednas_nni.nn.checkpoint import write_tensors

if TYPE_CHECKING:
    from ednas_nni.training.module import JaredModule

FORMAT = "1"
EVERY_S = 120.0
_STATE = "training"


@dataclass
class Checkpoints:
    """Writes the state of a training every few minutes, and takes it over where there is one.

    Attributes:
        path: The file. It is read when this object is made.
        every_s: Seconds between two writes.
        every_steps: Write after each so many steps as well; 0 = by time alone.
        on_step: Called with the steps taken and the last loss.
        steps_before: Steps that were taken before this process; the batches of these are passed by.
    """

    path: Path
    every_s: float = field(default_factory=lambda: EVERY_S)
    every_steps: int = 0
    on_step: Callable[[int, Tensor], None] | None = None
    steps_before: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Read what is there; a file that cannot be used is passed by, and the training begins anew."""
        self._state = _read(self.path)
        self.steps_before = self._state[1]["steps_done"] if self._state else 0
        self._written = time.monotonic()

    def begin(self, module: JaredModule) -> None:
        """Before the first step of this process, when network, optimiser and average are there: take the state over."""
        if self._state is not None:
            restore(module, *self._state)
        self._state = None

    def before_step(self, module: JaredModule) -> None:
        """Before each step, behind the score that the last one may have led to: write where it is time to."""
        done = module.steps_done
        due = time.monotonic() - self._written >= self.every_s or (self.every_steps and not done % self.every_steps)
        if due and done > self.steps_before:
            write(self.path, module)
            self._written = time.monotonic()

    def after_step(self, module: JaredModule) -> None:
        """After each step: tell how far it is."""
        if self.on_step is not None:
            self.on_step(module.steps_done, module.last_loss)


def write(path: Path, module: JaredModule) -> None:
    """Write the state of a training, whole or not at all."""
    tensors, plain = capture(module)
    write_tensors(path, tensors, {"format": FORMAT, _STATE: json.dumps(plain)})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError("it was written by another version")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata[_STATE])  # noqa: SIM118
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        print(f"{path}: the training begins anew, the checkpoint cannot be used ({error}).", file=sys.stderr)
        return None


def capture(module: JaredModule) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything that the next step depends on: tensors by name, and plain data."""
    optimizer, scheduler = _optimizer(module)
    optimizer_state, weighting = optimizer.state_dict(), module.weighting.state_dict()
    tensors = {f"network.{name}": tensor for name, tensor in module.model.state_dict().items()}
    for number, values in optimizer_state["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
    tensors |= {f"weighting.{name}": value for name, value in weighting.items() if isinstance(value, Tensor)}
    average, losses = module.average_state()
    tensors |= {f"average.{i}": tensor for i, tensor in enumerate(average)}
    if losses:
        tensors["losses"] = torch.stack(losses)
    state = np.random.get_state()
    assert isinstance(state, tuple), "numpy's legacy form"
    kind, keys, *place = state
    tensors |= {"random.torch": torch.get_rng_state(), "random.numpy": torch.from_numpy(keys.astype(np.int64))}
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    version, internal, gauss = random.getstate()
    scaler = _scaler(module)
    return tensors, {
        "steps_done": module.steps_done,
        "progress": module.progress_state(),
        "groups": optimizer_state["param_groups"],
        "schedule": scheduler.state_dict(),
        "weighting": {name: value for name, value in weighting.items() if not isinstance(value, Tensor)},
        "random": {"numpy": [kind, *place], "python": [version, list(internal), gauss]},
        "scaler": None if scaler is None else scaler.state_dict(),
    }


@torch.no_grad()
def restore(module: JaredModule, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    """Bring a training to a state that `capture` gave; the random generators come last, nothing may be drawn after."""

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    module.model.load_state_dict(part("network."))
    module.weighting.load_state_dict({**part("weighting."), **plain["weighting"]})
    optimizer, scheduler = _optimizer(module)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer.").items():
        number, _, key = name.partition(".")
        like = parameters[int(number)]
        # Moments lie in memory as their weights do, which decides in which order a kernel walks over them.
        laid_out = torch.empty_like(like).copy_(value) if value.shape == like.shape else value.to(like.device)
        state.setdefault(int(number), {})[key] = laid_out
    optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})
    scheduler.load_state_dict(plain["schedule"])
    average = [tensors[f"average.{i}"] for i in range(len(part("average.")))]  # the file has sorted them by name
    module.take_over(plain["steps_done"], plain["progress"], average, tensors.get("losses"))
    scaler = _scaler(module)
    if scaler is not None and plain["scaler"]:
        scaler.load_state_dict(plain["scaler"])
    kind, *place = plain["random"]["numpy"]
    np.random.set_state((kind, tensors["random.numpy"].numpy().astype(np.uint32), *place))
    version, internal, gauss = plain["random"]["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(tensors["random.torch"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _optimizer(module: JaredModule) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """Themselves, not Lightning's wrappers, which keep a copy of their state."""
    return module.trainer.optimizers[0], module.trainer.lr_scheduler_configs[0].scheduler


def _scaler(module: JaredModule) -> torch.amp.GradScaler | None:
    """Of losses in float16."""
    from pytorch_lightning.plugins import MixedPrecision  # Lightning's, loaded by then

    plugin = module.trainer.precision_plugin
    return plugin.scaler if isinstance(plugin, MixedPrecision) else None
