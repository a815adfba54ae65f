"""What one training step and one scoring do: the Lightning module of the JAReD evaluator."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import nni
import torch
from torch import Tensor, nn

from ednas_nni.compat.nas import LightningModule
from ednas_nni.errors import StudyError, TrialError, did_you_mean
from ednas_nni.nn.checkpoint import init_from
from ednas_nni.study.options import check_options
from ednas_nni.tasks.delta_t import delta_t
from ednas_nni.tasks.meters import Meter
from ednas_nni.tasks.quality import quality
from ednas_nni.tasks.weighting.base import WEIGHTINGS, GradientWeighting, Weighting
from ednas_nni.training.checkpoints import Checkpoints
from ednas_nni.training.data import Batch, TrialData
from ednas_nni.training.evaluator import report
from ednas_nni.training.recipe import Recipe
from ednas_nni.training.schedule import AveragedWeights, adamw, parameter_groups, warmup_cooldown

if TYPE_CHECKING:
    from ednas_nni.tasks.base import Task


ENCODER = ("encoder", "stem", "stages")
"""Modules of a network before its fusion."""


@runtime_checkable
class BiasedHeads(Protocol):
    """A network whose heads can start where an otherwise silent one predicts what is typical."""

    def set_output_bias(self, task: str, values: Tensor) -> None:
        """Set the bias (C,) of a task's output."""


@nni.trace
class JaredModule(LightningModule):
    """Trains on all tasks at once and scores on a held-out split.

    One optimiser with automatic optimisation, so that one-shot strategies can wrap the module. Where a
    strategy wraps it, `wrapped` is true: the strategy owns the optimisation, weights are not averaged, and
    every batch that is validated logs its own quality as `default`, the reward of samplers such as ENAS.

    Args:
        recipe: The checked recipe.
        inherited: Whether the network comes with trained weights: then its heads stay as they are.
    """

    def __init__(self, recipe: Recipe, inherited: bool = False):
        super().__init__()
        self.recipe, self.inherited = recipe, inherited
        self.data = TrialData(recipe)
        self.weighting = make_weighting(recipe, self.data.tasks)
        self.scores: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.scored_step = -1
        self.steps_done = 0
        self.train_s = 0.0
        self._meters: dict[str, Meter] = {}
        self._losses: list[Tensor] = []
        self._last_loss = math.nan
        self._frozen: tuple[nn.Module, ...] = ()
        self._average: AveragedWeights | None = None
        self._compiled: Callable[[Tensor], dict[str, Tensor]] | None = None
        self._running_since: float | None = None  # None while nothing is trained
        self.watcher: Checkpoints | None = None

    @property
    def wrapped(self) -> bool:
        """True inside a one-shot strategy."""
        return self.trainer.lightning_module is not self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Raw outputs of the network: images (N, 3, H, W) in [0, 1] to task name -> (N, C, H, W)."""
        return self._compiled(x) if self.training and self._compiled is not None else self.model(x)

    def train(self, mode: bool = True) -> JaredModule:
        """Training mode for all but the frozen parts, whose batch norms keep their statistics."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with linear warm-up and a cosine down to nearly zero, stepped every batch; without frozen parts.

        Parts that are frozen for the first steps only belong to it all along: what has no gradient is passed by.
        """
        recipe = self.recipe
        self._frozen = frozen_parts(self.model, recipe.freeze)
        if recipe.freeze_steps is None:
            self._let_train(False)
        factor = recipe.encoder_learning_rate
        rates = dict.fromkeys(encoder_of(self.model) if factor != 1 else (), factor * recipe.learning_rate)
        groups = parameter_groups([self.model, self.weighting], recipe.weight_decay, rates)
        self._let_train(False)
        optimizer = adamw(groups, recipe.learning_rate, fused=not recipe.precision.startswith("16"))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cooldown(step, recipe.steps, recipe.warmup, recipe.cooldown)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *args: object, **kwargs: object) -> None:
        """Clip the norm of the whole gradient; the trainer's own option is rejected by one-shot strategies."""
        if self.recipe.gradient_clip:
            # Its own list: to walk through all modules for their parameters takes a hundredth of a step.
            updated = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(updated, self.recipe.gradient_clip)

    def on_fit_start(self) -> None:
        """Let every head start at the training split's typical value, or where a file of weights has left it."""
        summaries = "".join(f"\n{summary}" for task in self.data.tasks if (summary := task.summary()))
        info, recipe = self.data.source.info, self.recipe
        where = f"data {info.name} {info.identity}, scored on {recipe.scored_on}, protocol {recipe.protocol}"
        print(f"{where}{summaries}", flush=True)
        frozen = [(p, p.detach().clone()) for part in self._frozen for p in part.parameters()]
        if isinstance(self.model, BiasedHeads) and not self.inherited:
            for name, prior in self.data.prior.tasks.items():
                self.model.set_output_bias(name, torch.tensor(prior.head_bias, device=self.device))
        for parameter, value in frozen:  # also the bias of a frozen head
            parameter.data.copy_(value)
        if self.recipe.init_from is not None:
            print(init_from(self.model, self.recipe.init_from), flush=True)

    def on_train_start(self) -> None:
        """Start averaging (the network is on its device now) and the clock."""
        if self.recipe.compile and not self.wrapped:
            # Used in training only: scoring has another batch size, which would be compiled for itself.
            object.__setattr__(self, "_compiled", torch.compile(self.model, dynamic=False))  # no second submodule
        if self.recipe.average and not self.wrapped:
            self._average = AveragedWeights(self.model, self.recipe.average)
        if self.watcher is not None:
            self.watcher.begin(self)
        self._running_since = time.perf_counter()

    def _let_train(self, yes: bool) -> None:
        for part in self._frozen:
            part.requires_grad_(yes).train(yes)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let parts train that were frozen for the first steps, and the watcher look on."""
        if self._frozen and self.recipe.freeze_steps is not None and self.steps_done >= self.recipe.freeze_steps:
            self._let_train(True)
            self._frozen = ()
        if self.watcher is not None:
            self.watcher.before_step(self)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch of all tasks."""
        if self.wrapped:
            check_combines_losses(self.weighting, self.recipe, "which a one-shot strategy computes itself")
        outputs = self._outputs(batch)
        losses = {task.name: task.loss(outputs[task.name], batch[task.name]) for task in self.data.tasks}
        total = self.weighting(losses)
        self._step_losses = (losses, total)
        return self.finite(total, losses)

    def finite(self, total: Tensor, losses: dict[str, Tensor]) -> Tensor:
        """The total loss, remembered for the next report.

        Raises:
            TrialError: It is not finite, nor perhaps are the losses (task -> scalar) that the message names.
        """
        values = torch.stack([total.detach(), *(loss.detach() for loss in losses.values())])
        if not bool(values.isfinite().all()):
            named = zip(("total", *self.recipe.tasks), values.tolist(), strict=True)
            bad = ", ".join(f"{name} {value}" for name, value in named if not math.isfinite(value))
            step = f"step {self.steps_done + 1} of {self.recipe.steps}"
            raise TrialError(f"The loss is not finite at {step}: {bad}.{self._remedy()}")
        self._losses.append(values[0])
        return total

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The ordinary backward pass, or that of a weighting which combines gradients."""
        if not isinstance(self.weighting, GradientWeighting):
            super().backward(loss, *args, **kwargs)
            return
        losses, total = self._step_losses
        # Mixed precision has multiplied the total by its scale.
        scale = (loss / total).detach().nan_to_num(1.0)
        trained = [p for p in self.parameters() if p.requires_grad]
        self.weighting.backward({name: value * scale for name, value in losses.items()}, trained)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Take the new weights into the average."""
        self.steps_done += 1
        if self._average is not None:
            self._average.update()
        if self.watcher is not None:
            self.watcher.after_step(self)

    def on_train_end(self) -> None:
        """Leave the averaged weights in the network."""
        self._stop_clock()
        if self._average is not None:
            self._average.swap()
            self._average = None

    def on_validation_start(self) -> None:
        """Score with fresh meters, and with the averaged weights if there are any."""
        if self._average is not None:
            self._average.swap()
        self._meters = {task.name: task.meter() for task in self.data.tasks}
        self._stop_clock()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one batch of the scored split to the meters."""
        outputs = self._outputs(batch)
        predictions = {task.name: task.predict(outputs[task.name]) for task in self.data.tasks}
        if self.wrapped:
            meters = {task.name: task.meter() for task in self.data.tasks}
            for name, meter in meters.items():
                meter.update(predictions[name], batch[name])
            metrics, priors = {name: meter.compute() for name, meter in meters.items()}, self.data.prior.tasks
            for name, values in metrics.items():  # of a task without a label in this batch, nothing is known
                metrics[name] = values if all(map(math.isfinite, values.values())) else priors[name].metrics
            value = self._score(metrics)["default"]
            self.log("default", value, batch_size=len(batch["image"]))
        for name, meter in self._meters.items():
            meter.update(predictions[name], batch[name])

    def on_validation_end(self) -> None:
        """Compute the scores, print one line and tell NNI.

        Raises:
            TrialError: A metric is not finite.
        """
        metrics = {name: meter.compute() for name, meter in self._meters.items()}
        self.scores = self._score(metrics)
        bad = [name for name, value in self.scores.items() if not math.isfinite(value)]
        if bad:
            raise TrialError(
                f"After step {self.steps_done} of {self.recipe.steps} {', '.join(bad)} of the scored split "
                f"is not a number: the network's outputs are not finite.{self._remedy()}"
            )
        loss = self._mean_loss()
        if math.isfinite(loss):  # nothing is trained where weights are inherited and only scored
            self.scores["train_loss"] = loss
        self.scored_step = self.steps_done
        self.history.append(dict(self.scores))
        if self._average is not None:
            self._average.swap()
        print(self._line(), flush=True)
        report(self.scores, final=False)
        self._running_since = time.perf_counter()

    def on_fit_end(self) -> None:
        """Inside a one-shot strategy nobody else reports the supernet's last score."""
        if self.wrapped and self.scores:
            report(self.final(), final=True)

    @property
    def last_loss(self) -> Tensor:
        """Total loss of the last step."""
        return self._losses[-1]

    def average_state(self) -> tuple[list[Tensor], list[Tensor]]:
        """Averaged weights, and the losses since the last score; for checkpoints."""
        return self._average.tensors if self._average is not None else [], self._losses

    def progress_state(self) -> dict[str, Any]:
        """Counters and scores so far as plain data; for checkpoints."""
        running = 0.0 if self._running_since is None else time.perf_counter() - self._running_since
        return {
            "train_s": self.train_s + running,
            "history": self.history,
            "scored_step": self.scored_step,
            "last_loss": self._last_loss,
            "updates": self._average.updates if self._average is not None else 0,
        }

    def take_over(
        self, steps_done: int, progress: dict[str, Any], average: list[Tensor], losses: Tensor | None
    ) -> None:
        """Go on from a checkpoint, with what the three methods above gave."""
        self.steps_done = steps_done
        self.train_s, self._last_loss = progress["train_s"], progress["last_loss"]
        self.history, self.scored_step = progress["history"], progress["scored_step"]
        self.scores = dict(self.history[-1]) if self.history else {}
        self._losses = [] if losses is None else list(losses.to(self.device).unbind())
        if self._average is not None:
            self._average.take_over(average, progress["updates"])

    def final(self) -> dict[str, float]:
        """The last scores, flat, with the seconds spent on training (scoring not counted)."""
        return {**self.scores, "train_s": self.train_s}

    def _score(self, metrics: dict[str, dict[str, float]]) -> dict[str, float]:
        """All metrics, flat; with baselines also `delta_t`, and `quality` where that is not the `default`."""
        value = quality(metrics, self.data.tasks, self.data.prior)
        baselines = self.recipe.references
        if not baselines:
            return flatten(metrics, value)
        directions = {
            task.name: {spec.name: spec.direction for spec in task.metrics if spec.name in baselines[task.name]}
            for task in self.data.tasks
        }
        percent = delta_t(metrics, baselines, directions)
        if self.recipe.score == "delta_t":
            return {**flatten(metrics, percent), "delta_t": percent, "quality": value}
        return {**flatten(metrics, value), "delta_t": percent}

    def _stop_clock(self) -> None:
        if self._running_since is not None:
            self.train_s += time.perf_counter() - self._running_since
            self._running_since = None

    def _outputs(self, batch: Batch) -> dict[str, Tensor]:
        # Depthwise convolutions take a fifth less time with channels last, also on processors.
        image = batch["image"]
        return self(image if self.wrapped else image.contiguous(memory_format=torch.channels_last))

    def _mean_loss(self) -> float:
        """Mean total loss since the last score."""
        if self._losses:
            self._last_loss = float(torch.stack(self._losses).mean())
            self._losses.clear()
        return self._last_loss

    def _line(self) -> str:
        keys = [f"{task.name}_{task.primary}" for task in self.data.tasks]
        primary = "  ".join(f"{key} {self.scores[key]:.4g}" for key in keys)
        loss = f"loss {self._last_loss:.4g}  " if self.recipe.steps else ""
        return (
            f"step {self.steps_done}/{self.recipe.steps}  {self.recipe.score} {self.scores['default']:.4f}  {primary}  "
            f"{loss}{self.train_s:.1f} s"
        )

    def _remedy(self) -> str:
        return (
            f" The learning rate is {self.recipe.learning_rate:g}, the gradient is clipped at "
            f"{self.recipe.gradient_clip:g} (0 = not at all): lower either, or leave such networks out."
        )


def frozen_parts(network: nn.Module, names: Sequence[str]) -> tuple[nn.Module, ...]:
    """The modules of a network that a recipe's `freeze` names.

    Raises:
        StudyError: The network has no such part.
    """
    modules = dict(network.named_modules())
    parts = []
    for name in names:
        wanted = [part for part in ENCODER if part in modules] if name == "encoder" else [name]
        if not name or not wanted or any(part not in modules for part in wanted):
            coarse = [part for part in ("encoder", *modules) if part and part.count(".") < 2]
            raise StudyError(f"evaluator.freeze: the network has no part {name!r}.{did_you_mean(name, coarse)}")
        parts += [modules[part] for part in wanted]
    return tuple(parts)


def encoder_of(network: nn.Module) -> list[nn.Parameter]:
    """Parameters of all before the fusion, of a network or of the shared tensors of a supernet."""
    # There the name of a tensor is that of its address, without dots: "tensors.encoder@efficientnet_lite0/_conv_stem".
    named = network.named_parameters()
    return [p for name, p in named if re.split("[.@/]", name.removeprefix("tensors."), maxsplit=1)[0] in ENCODER]


def flatten(metrics: dict[str, dict[str, float]], value: float) -> dict[str, float]:
    """`default` (the quality) and every metric as `<task>_<metric>`."""
    flat = {f"{task}_{name}": number for task, values in metrics.items() for name, number in values.items()}
    return {"default": value, **flat}


def make_weighting(recipe: Recipe, tasks: Sequence[Task]) -> Weighting:
    """The recipe's weighting of the tasks' losses."""
    factory = WEIGHTINGS.load(recipe.weighting["name"])
    options = {key: value for key, value in recipe.weighting.items() if key != "name"}
    check_options(factory, options, "evaluator.weighting", ("tasks",))
    return factory(tasks, **options)


def check_combines_losses(weighting: Weighting, recipe: Recipe, why: str) -> None:
    """Reject a weighting that combines gradients of tasks; `why` says why there are none to combine.

    Raises:
        StudyError: It does.
    """
    if isinstance(weighting, GradientWeighting):
        raise StudyError(
            f"evaluator.weighting: {recipe.weighting['name']!r} combines the gradients of the tasks, {why}; use "
            "'fixed', 'uncertainty', 'dwa' or 'geometric_mean' with it."
        )
