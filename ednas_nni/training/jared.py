"""The JAReD evaluator: a short multi-task training that ends in one quality."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import nni
import numpy as np
import torch
from numpy.typing import NDArray

from ednas_nni.compat.nas import Lightning, Trainer
from ednas_nni.data.source import CachedSource
from ednas_nni.errors import StudyError, TrialError
from ednas_nni.record.parameters import SPLIT
from ednas_nni.study.options import filled, takes
from ednas_nni.training.checkpoints import Checkpoints
from ednas_nni.training.data import Batches, TrialData
from ednas_nni.training.evaluator import Metrics, NetworkEvaluator, report
from ednas_nni.training.module import JaredModule, make_weighting
from ednas_nni.training.recipe import Recipe
from ednas_nni.training.seeding import seeded

_LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric")
_ADVICE = (
    r".*does not have many workers.*",  # batches are slices of a memory map: workers only add copies
    r".*number of training batches .* is smaller than the logging interval.*",
    r".*`tensorboardX` has been removed.*",
    r".*GPU available but not used.*",
    r".*isinstance\(treespec, LeafSpec\).*",  # Lightning with torch >= 2.10
    r".*exists and is not empty.*",
)
"""What Lightning advises that does not hold here."""
COMPILERS = ("c++", "g++", "clang++")
SHORT_PRECISIONS = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""What Lightning calls them."""


class TrainingEvaluator(NetworkEvaluator, Lightning):
    """Trains and scores by a recipe; the base of evaluators that differ in where a network's weights come from.

    Args:
        recipe: Checked.
    """

    recipe: Recipe

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        # What NNI's one-shot strategies read from a Lightning evaluator, beside the properties below.
        self.datamodule = None
        self.fit_kwargs: dict[str, Any] = {}
        self.detect_interrupt = True
        self.seed = recipe.seed
        self.history: list[Metrics] = []  # all scores of the last `evaluate`, in the order of training

    @property
    def module(self) -> JaredModule:
        """A new Lightning module, which a one-shot strategy wraps: what one search leaves in it is not another's."""
        from ednas_nni.compat import nas_search  # noqa: F401  (heavy; patches strategies that users import from NNI)

        with quiet():
            return JaredModule(self.recipe)

    @property
    def trainer(self) -> Trainer:
        """A new trainer, for a one-shot strategy."""
        with quiet():
            return make_trainer(self.recipe)

    @property
    def train_dataloaders(self) -> Batches:
        """`steps` batches of the train split."""
        return TrialData(self.recipe).train_batches()

    @property
    def val_dataloaders(self) -> Batches:
        """The scored split once."""
        return TrialData(self.recipe).scored_batches()

    def check(self) -> None:
        """Build the tasks, their losses and the weighting as a trial does; no image is read."""
        make_weighting(self.recipe, TrialData(self.recipe).unmeasured)

    def check_here(self) -> None:
        """Make the trainer, which finds the accelerator, and look for the compiler that `compile` needs.

        Raises:
            StudyError: This machine cannot train as the recipe says.
        """
        with quiet():
            make_trainer(self.recipe)
        on_cpu = not graphics_memory(self.recipe.accelerator)
        if self.recipe.compile and on_cpu and not any(map(shutil.which, COMPILERS)):
            raise StudyError(f"evaluator.compile: needs a compiler: {', '.join(COMPILERS)}. Install one, or remove it.")

    def evaluate(self, model: torch.nn.Module, watcher: Checkpoints | None = None) -> Metrics:
        """Train and score a network in place: float (N, 3, H, W) in [0, 1] -> {task: (N, C, H, W)}.

        Its head biases are set to the training split's typical values if it has `set_output_bias`, then it takes what
        fits of `init_from`; its other weights are trained as they are. It is left in evaluation mode with the weights
        that were scored. The final result (see the class) is also reported to NNI if a trial is running. A watcher
        looks on, and may bring the training to where an earlier process left it.

        Raises:
            TrialError: A loss or a metric is not finite.
            DataError: The data set is missing or has no valid pixel.
        """
        if self.is_mutable():
            raise RuntimeError("The evaluator has undecided arguments: freeze() it before it evaluates.")
        with quiet(), threads(self.recipe.threads), seeded(self.seed):
            module = JaredModule(self.recipe, self.inherits)
            self.prepare(model, module.data)
            module.set_model(_laid_out(model, torch.channels_last))
            module.watcher, first = watcher, watcher.steps_before if watcher is not None else 0
            trainer = make_trainer(self.recipe, first, SHORTEST if self.inherits else 1)
            with _real_interrupts():
                if self.recipe.steps:
                    trainer.fit(module, module.data.train_batches(first), module.data.scored_batches())
                if module.scored_step != self.recipe.steps:
                    trainer.validate(module, module.data.scored_batches(), verbose=False)
            ran = what_ran(trainer, module.data.source.info.identity)
        if module.steps_done != self.recipe.steps:
            raise TrialError(f"Training stopped after step {module.steps_done} of {self.recipe.steps}.")
        _laid_out(model, torch.contiguous_format).eval()
        self.history = module.history
        final = module.final()
        if self.recipe.int8 is True or (self.recipe.int8 and self.recipe.scored_on == SPLIT):
            from ednas_nni.training.int8 import int8_scores  # torch.export is slow to import

            with quiet(), threads(self.recipe.threads):
                final |= int8_scores(model, module.data)
        report(final, final=True, ran=ran)
        return final

    def open_shared(self, space: torch.nn.Module) -> None:
        """As `Evaluator.open_shared`: the arrays of the splits."""
        source = TrialData(self.recipe).source
        if isinstance(source, CachedSource) and source.cache_folder.exists():
            for name in ("train", self.recipe.scored_on):
                source.split(name)

    def prepare(self, model: torch.nn.Module, data: TrialData) -> None:
        """What is done to a network before it is trained, in place; nothing by default."""

    def example_predictions(
        self, model: torch.nn.Module, chosen: Sequence[int] | None = None
    ) -> dict[str, NDArray[np.generic]]:
        """Predictions on a few images of the search split: the chosen ones, or some that are spread evenly over it.

        `image` uint8 (k, H, W, 3); for each task `<task>_prediction` and `<task>_truth`, without a channel axis where
        there is one channel and with it last otherwise: classes int64 (k, H, W) with the data set's ignore index, depth
        float32 (k, H, W) in the data set's depth unit with 0 = invalid, normals float32 (k, H, W, 3).
        """
        from ednas_nni.data.batches import BatchDataset  # torchvision is slow to import

        data = TrialData(self.recipe)
        split = data.source.split(self.recipe.scored_on)
        if chosen is None:
            count = min(self.recipe.examples, len(split))
            chosen = np.linspace(0, len(split) - 1, count).round().astype(int).tolist()
        if not chosen:
            return {}
        batch = BatchDataset(split, data.by_name).__getitems__(chosen)
        was_training = model.training
        with torch.no_grad():
            outputs = model.eval()(batch["image"].to(next(model.parameters()).device))
        model.train(was_training)
        arrays = {"image": np.ascontiguousarray(split.image[chosen])}
        for task in data.tasks:
            arrays[f"{task.name}_prediction"] = _as_array(task.predict(outputs[task.name]))
            arrays[f"{task.name}_truth"] = _as_array(batch[task.name])
        return arrays

    def __eq__(self, other: object) -> bool:
        # By recipe, not by type: NNI makes a new traced type whenever it freezes an evaluator.
        return isinstance(other, NetworkEvaluator) and self.recipe == other.recipe

    __hash__ = None  # type: ignore[assignment]  # as NNI's own evaluators

    def __repr__(self) -> str:
        recipe = self.recipe
        return (
            f"{type(self).__name__}(tasks={recipe.tasks}, data={dict(recipe.data)}, train_size={recipe.train_size}, "
            f"steps={recipe.steps}, batch_size={recipe.batch_size}, seed={recipe.seed})"
        )


@nni.trace
class JaredEvaluator(TrainingEvaluator):
    """Trains a network on all tasks for a number of steps and scores its last weights on a held-out split.

    Serves multi-trial strategies (`evaluate`) and, as one of NNI's Lightning evaluators, one-shot strategies. Building
    one reads nothing from disk. The final result is a flat dict of floats: `default` (the quality: mean over tasks of
    the skill of the primary metric against the position prior, 0 = position alone, 1 = perfect), every metric as
    `<task>_<metric>`, `train_loss` (mean since the last report) and `train_s` (wall-clock seconds, without scoring).

    Its arguments, their types, ranges and defaults are those of `Recipe`.

    Raises:
        StudyError: An argument is outside what is allowed.
    """

    @takes(Recipe)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(filled(Recipe, "evaluator", *args, **options))


SHORTEST = 20
"""Steps between two scores of a network that is trained on: a score costs as much as some of them."""


def make_trainer(recipe: Recipe, first: int = 0, shortest: int = 1) -> Trainer:
    """A trainer without files, progress bars, summaries or sanity checks.

    One epoch is the whole trial (see `Batches`); the interval is rounded up, so there are at most `reports` scores, one
    of each `shortest` steps. Of `first` steps that were taken before, intervals are counted from the training's
    beginning all the same.

    Raises:
        StudyError: This machine has no such accelerator, or would train in another precision without a word.
    """
    from pytorch_lightning.utilities.exceptions import MisconfigurationException  # after the doorway

    reports = min(recipe.reports, max(1, recipe.steps // shortest))
    where = f"evaluator: accelerator {recipe.accelerator!r} with precision {recipe.precision!r} cannot run here"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of another precision, see below
            trainer = Trainer(
                max_epochs=1,
                accelerator=recipe.accelerator,
                devices=1,
                precision=recipe.precision,
                val_check_interval=max(1, -(-recipe.steps // reports)),
                check_val_every_n_epoch=1 if not first else None,  # None: by batches of the whole training
                num_sanity_val_steps=0,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    except (MisconfigurationException, ModuleNotFoundError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(f"{where} ({reason}). Write `accelerator: auto` and `precision: 32-true`.") from None
    if trainer.precision != SHORT_PRECISIONS.get(recipe.precision, recipe.precision):
        raise StudyError(
            f"{where}: it would train in {trainer.precision!r}, which gives other results. Write that, or '32-true'; "
            "numbers of 16 bits (16-mixed) need a GPU."
        )
    if first:
        trainer.fit_loop.epoch_loop.batch_progress.total.ready = first
    return trainer


def graphics_memory(accelerator: str) -> float:
    """Bytes of the graphics memory that a training uses with this accelerator; 0 where it uses none of its own."""
    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return 0.0
    return float(torch.cuda.get_device_properties(0).total_memory)


def device_of(accelerator: str) -> str:
    """Name of the device on which a training with this accelerator computes, as torch spells it."""
    return "cuda" if graphics_memory(accelerator) else "cpu"


def what_ran(trainer: Trainer, data: str) -> dict[str, object]:
    """What a training really ran with, whatever was asked for: results are compared with it."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device).replace(" ", "_") if device.type == "cuda" else device.type
    return {
        "precision": trainer.precision,
        "device": name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "data": data,
    }


def _as_array(values: torch.Tensor) -> np.ndarray:
    """(N, C, H, W) with the channels last, or without them if there is one; (N, H, W) as it is."""
    if values.ndim == 4:
        values = values.movedim(1, -1)
        values = values[..., 0] if values.shape[-1] == 1 else values
    return np.ascontiguousarray(values.cpu().numpy())


def _laid_out(model: torch.nn.Module, memory: torch.memory_format) -> torch.nn.Module:
    return model.to(memory_format=memory)  # type: ignore[call-overload]  # torch's annotations lack it


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's information and advice inside the block; errors still appear."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
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
