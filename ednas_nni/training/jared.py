"""The JAReD evaluator: a short multi-task training that ends in one quality."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import nni
import numpy as np
import torch

from ednas_nni.compat.nas import Lightning, Trainer
from ednas_nni.errors import TrialError
from ednas_nni.training.data import Batches, TrialData
from ednas_nni.training.module import JaredModule, make_weighting
from ednas_nni.training.quiet import quiet
from ednas_nni.training.recipe import Recipe, normalise_plugin
from ednas_nni.training.seeding import seed_everything, seeded


@nni.trace
class JaredEvaluator(Lightning):
    """Trains a network on all tasks for a number of steps and scores its last weights on a held-out split.

    Serves multi-trial strategies (`evaluate`) and, as it is one of NNI's Lightning evaluators, one-shot
    strategies. Building one reads nothing from disk; every argument is plain data, so an evaluator can be
    written to JSON.

    The final result is a flat dict of floats: `default` (the quality: mean over tasks of the skill of the
    primary metric against the position prior, 0 = position alone, 1 = perfect), every metric as
    `<task>_<metric>`, `train_loss` (mean since the last report) and `train_s` (wall-clock seconds of
    training, scoring not counted).

    Args:
        tasks: Names of the tasks, e.g. ("segmentation", "depth", "normals").
        data: Name of a data set, or {"name": ..., its options}.
        train_size: (height, width) in pixels of the images that trials see.
        steps: Optimisation steps of a trial, at least 1.
        batch_size: Images a step, at least 2 (batch normalisation needs a batch).
        learning_rate: Peak of the schedule (linear warm-up, then a cosine to a hundredth), above 0.
        weighting: How losses are summed: the name of a weighting, or {"name": ..., its options}.
        depth_loss: A name of `losses.DEPTH`, such as "jared" or "l1"; short for the option `loss` of the task depth.
        reports: At most so many intermediate scores, the last one at the end; at least 1.
        seed: Seeds the order of the images, their mirroring, and networks that NNI builds for this evaluator.
            A caller who builds the network calls `evaluator.seed_everything()` before.
        threads: torch threads, at least 1; None leaves torch as it is.
        examples: Number of images that `example_predictions` shows, at least 0.
        depth_relative_scale: Weight of the relative error in the `jared` loss (lambda), at least 0, in the data set's
            depth unit; None = as recorded for the data. Short for the option `relative_scale` of the task depth.
        task_options: Further options of tasks: task name -> {option: value}.
        augmentation: "flip", "flip_zoom", "none", or {"flip": probability, "zoom": [factors from 1 to 4]}.
        protocol: Evaluation protocol, "standard" or "adashare"; their numbers must not be compared.
        weight_decay: Of AdamW, on weights with two or more dimensions; at least 0.
        warmup: Share of the steps in which the learning rate rises, from 0 to below 1.
        cooldown: Share of the steps in which it falls to a hundredth, by half a cosine, from 0 to 1 - warmup; None =
            all after the warm-up.
        gradient_clip: Largest norm of the gradient, at least 0; 0 = no limit.
        average: Decay of an exponential moving average of the weights that is scored instead of the last weights, from
            0 to below 1; 0 = none.
        accelerator: Lightning's accelerator: "auto" (a GPU if the trial sees one), "cpu", "gpu"; a trial uses one.
        precision: Lightning's precision, such as "32-true" or "bf16-mixed".
        scored_on: Split that is scored: "search" for candidates, "select" to confirm or pick among them.
        references: Task -> metric -> value of single-task networks: trials then report `delta_t`, in percent.
        score: What `default` is: "quality" or "delta_t".
        compile: Train through `torch.compile`. The first step then takes a minute or more, which pays for long training
            of large networks on a GPU; results agree up to rounding.
        init_from: File of weights of which networks take what fits before the training; see `nn.checkpoint.init_from`.

    Raises:
        StudyError: An argument is outside what is allowed.
    """

    def __init__(
        self,
        tasks: Sequence[str] = ("segmentation", "depth", "normals"),
        data: str | Mapping[str, Any] = "rooms",
        train_size: Sequence[int] = (64, 128),
        steps: int = 400,
        batch_size: int = 8,
        learning_rate: float = 0.02,
        weighting: str | Mapping[str, Any] = "fixed",
        depth_loss: str = "jared",
        reports: int = 6,
        seed: int = 0,
        threads: int | None = None,
        examples: int = 3,
        *,
        depth_relative_scale: float | None = None,
        task_options: Mapping[str, Mapping[str, Any]] | None = None,
        weight_decay: float = 1e-4,
        augmentation: str | Mapping[str, Any] = "flip",
        protocol: str = "standard",
        warmup: float = 0.1,
        cooldown: float | None = None,
        gradient_clip: float = 5.0,
        average: float = 0.0,
        accelerator: str = "auto",
        precision: str = "32-true",
        scored_on: str = "search",
        references: Mapping[str, Mapping[str, float]] | None = None,
        score: str = "quality",
        init_from: str | None = None,
        compile: bool = False,
    ):
        tasks = (tasks,) if isinstance(tasks, str) else tuple(tasks)
        options = {name: dict(values) for name, values in (task_options or {}).items()}
        if "depth" in tasks:  # two arguments of the evaluator are a shorthand for the task's own options
            shorthand = {"loss": depth_loss, "relative_scale": depth_relative_scale}
            options["depth"] = {**shorthand, **options.get("depth", {})}
        self.recipe = Recipe(
            tasks=tasks,
            data=normalise_plugin("data", data),
            train_size=tuple(train_size),
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            warmup=warmup,
            cooldown=1 - warmup if cooldown is None else cooldown,
            gradient_clip=gradient_clip,
            average=average,
            weighting=normalise_plugin("weighting", weighting),
            task_options=options,
            augmentation=augmentation if isinstance(augmentation, str) else dict(augmentation),
            protocol=protocol,
            reports=reports,
            seed=seed,
            threads=threads,
            examples=examples,
            accelerator=accelerator,
            precision=precision,
            scored_on=scored_on,
            references=references,
            score=score,
            init_from=init_from,
            compile=compile,
        )
        # What NNI's one-shot strategies read from a Lightning evaluator, beside the properties below.
        self.datamodule = None
        self.fit_kwargs: dict[str, Any] = {}
        self.detect_interrupt = True
        self._lazy: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []

    # `history`: all scores of the last `evaluate`, in the order of training.

    @property
    def seed(self) -> int:
        """The trial's seed."""
        return self.recipe.seed

    @property
    def module(self) -> JaredModule:
        """The Lightning module that one-shot strategies wrap; `evaluate` makes a fresh one every time."""
        from ednas_nni.compat import nas_search  # noqa: F401  (heavy; patches strategies that users import from NNI)

        return self._once("module", lambda: JaredModule(self.recipe))

    @property
    def trainer(self) -> Trainer:
        """The trainer that one-shot strategies use; `evaluate` makes a fresh one every time."""
        return self._once("trainer", lambda: make_trainer(self.recipe))

    @property
    def train_dataloaders(self) -> Batches:
        """`steps` batches of the train split."""
        return self._once("train", self.module.data.train_batches)

    @property
    def val_dataloaders(self) -> Batches:
        """The scored split once."""
        return self._once("scored", self.module.data.scored_batches)

    def check(self) -> None:
        """Build the tasks, their losses and the weighting as a trial does; no image is read.

        Raises:
            EdnasError: What a trial would be the first to miss: an option of a task, a loss or the weighting is wrong.
        """
        make_weighting(self.recipe, TrialData(self.recipe).unmeasured)

    def seed_everything(self) -> None:
        """Seed the process with the trial's seed; call it before the network is built."""
        seed_everything(self.seed)

    def evaluate(self, model: torch.nn.Module) -> dict[str, float]:
        """Train and score a network in place.

        Args:
            model: float (N, 3, H, W) in [0, 1] -> {task: (N, C, H, W)}. Its head biases are set to the
                training split's typical values if it has `set_output_bias`, then it takes what fits of `init_from`;
                its other weights are trained as they are. It is left in evaluation mode with the weights that were
                scored.

        Returns:
            The final result (see the class), also reported to NNI if a trial is running.

        Raises:
            TrialError: A loss or a metric is not finite.
            DataError: The data set is missing or has no valid pixel.
        """
        if self.is_mutable():
            raise RuntimeError("The evaluator has undecided arguments: freeze() it before it evaluates.")
        with quiet(), _threads(self.recipe.threads), seeded(self.seed):
            module = JaredModule(self.recipe)
            module.set_model(model.to(memory_format=torch.channels_last))
            trainer = make_trainer(self.recipe)
            with _real_interrupts():
                trainer.fit(module, module.data.train_batches(), module.data.scored_batches())
                if module.scored_step != self.recipe.steps:
                    trainer.validate(module, module.data.scored_batches(), verbose=False)
        if module.steps_done != self.recipe.steps:
            raise TrialError(f"Training stopped after step {module.steps_done} of {self.recipe.steps}.")
        model.to(memory_format=torch.contiguous_format).eval()
        self.history = module.history
        final = module.final()
        if nni.get_current_parameter() is not None:
            nni.report_final_result(final)
        return final

    def example_predictions(self, model: torch.nn.Module) -> dict[str, np.ndarray]:
        """Predictions on a few images of the search split, spread evenly over it.

        Args:
            model: A trained network.

        Returns:
            `image` uint8 (k, H, W, 3); for each task `<task>_prediction` and `<task>_truth`, without a
            channel axis where there is one channel and with it last otherwise: classes int64 (k, H, W) with
            the data set's ignore index, depth float32 (k, H, W) in metres with 0 = invalid, normals float32
            (k, H, W, 3).
        """
        from ednas_nni.training.examples import predict_examples

        return predict_examples(model, JaredModule(self.recipe).data, self.recipe.examples)

    def _execute(self, model: Any) -> dict[str, float]:
        """Seed before NNI builds the network, so that equal seeds give equal initial weights."""
        from ednas_nni.bridge.trial.channel import claim

        model = claim(model)  # NNI's own trial process may have been handed another trial's model
        with seeded(self.seed):
            network = model.executable_model()
        return self.evaluate(network)

    def _once(self, name: str, make: Any) -> Any:
        if name not in self._lazy:
            with quiet():
                self._lazy[name] = make()
        return self._lazy[name]

    def __eq__(self, other: object) -> bool:
        # By recipe, not by type: NNI makes a new traced type whenever it freezes an evaluator.
        return isinstance(other, Lightning) and self.recipe == getattr(other, "recipe", None)

    __hash__ = None  # type: ignore[assignment]  # as NNI's own evaluators

    def __repr__(self) -> str:
        recipe = self.recipe
        return (
            f"JaredEvaluator(tasks={recipe.tasks}, data={dict(recipe.data)}, train_size={recipe.train_size}, "
            f"steps={recipe.steps}, batch_size={recipe.batch_size}, seed={recipe.seed})"
        )


def make_trainer(recipe: Recipe) -> Trainer:
    """A trainer without files, progress bars, summaries or sanity checks.

    One epoch is the whole trial (see `Batches`); the interval is rounded up, so there are at most `reports`
    scores.
    """
    return Trainer(
        max_epochs=1,
        accelerator=recipe.accelerator,
        devices=1,
        precision=recipe.precision,
        val_check_interval=-(-recipe.steps // recipe.reports),
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Use `count` torch threads inside the block; None = leave them alone."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


@contextmanager
def _real_interrupts() -> Iterator[None]:
    """Turn Lightning's answer to Ctrl-C (ignore further signals, then sys.exit) back into KeyboardInterrupt.

    NNI's sequential engine stops on KeyboardInterrupt, but takes SystemExit for a failed trial and goes on.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt("Training was interrupted.") from None
        raise
    finally:
        if main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, handler)
