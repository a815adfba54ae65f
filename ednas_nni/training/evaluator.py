"""What an evaluator is: the base classes of everything that a study may name under `evaluator`. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ednas_nni.plugins import Group
from ednas_nni.record.parameters import TrialParameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from ednas_nni.compat.nas import ModelSpace
    from ednas_nni.space.domains import Sample
    from ednas_nni.training.recipe import Recipe

Metrics = dict[str, float]
"""A final result: `default` is the score, everything else is named `<task>_<metric>` or by itself."""

CHANNEL = "ednas_nni.bridge.trial.channel"
"""Where `claim` is. Found by name: in a trial that NNI itself has started nothing is loaded but NNI and the evaluator,
so the bridge cannot have announced itself, and this room knows no wire."""


class Booked(Protocol):
    """What NNI hands to `_execute`: the model of one trial."""

    sample: Sample

    def executable_model(self) -> nn.Module:
        """Build the network."""


class Preparation(Protocol):
    """What all trials of a study need, made once and kept, such as a supernet."""

    @property
    def made(self) -> Mapping[str, float] | None:
        """Figures of its making, such as its `seconds`, as far as they are known; None where it is not made."""

    @property
    def folder(self) -> Path:
        """Where it is or will be, under a name that is a digest of all that determines it."""

    def outlook(self) -> str:
        """What has to be made and about how long it takes; "" where it is there."""

    def make(self, progress: bool = False) -> bool:
        """Make it, unless it is there; shows a bar with `progress`. Returns whether this call made it."""


Model = TypeVar("Model")


def claimed(model: Model) -> Model:
    """The model that is booked on this process's trial; NNI may have handed out another trial's, see `claim`."""
    return import_module(CHANNEL).claim(model)


def report(metrics: Metrics, final: bool, ran: Mapping[str, object] | None = None) -> None:
    """Tell NNI an intermediate or the final result, if a trial is running.

    `ran` is what really ran, for the journal: precision, device, threads, versions; values without spaces.
    """
    import nni  # numpy, whose threads a trial sets first

    if nni.get_current_parameter() is not None:
        # A text, because NNI's web UI shows whatever else a metric holds as numbers.
        words = {"ran": " ".join(f"{name}={value}" for name, value in ran.items())} if ran else {}
        (nni.report_final_result if final else nni.report_intermediate_result)({**metrics, **words})


class Evaluator:
    """Trains or judges one architecture and reports to NNI where a trial is running.

    A subclass is a `NetworkEvaluator` or a `SampleEvaluator`; its arguments are plain data, so that NNI can write it to
    JSON (decorate it with `nni.trace`), each with a type, a range and a line of documentation. It is registered as an
    entry point of the group `ednas_nni.evaluators`, or named by its path, and made with `tasks`, `data`, `train_size`
    and `seed` of the study beside its own options.

    Attributes:
        seed: Of everything that it draws.
        recipe: How it trains, where results of other trainings are compared with its own; None = they cannot be.
        inherits: Whether networks come with trained weights.
    """

    seed: int
    recipe: Recipe | None = None
    inherits: bool = False

    def check(self) -> None:
        """Look at whatever a trial would be the first to miss; reads no image. By default there is nothing.

        Raises:
            EdnasError: A trial could not be built.
        """

    def preparation(self, space: ModelSpace) -> Preparation | None:
        """What is made before the first trial, which makes it where nobody did; by default there is nothing."""
        return None

    def check_here(self) -> None:
        """Look for what this machine lacks to run a trial, such as an accelerator. By default there is nothing."""

    def open_shared(self, space: nn.Module) -> None:
        """Open what every trial of a space reads, where it is there, so that the trials of one server hash it once."""

    def evaluate(self, model: Any) -> Metrics:
        """Evaluate what this kind of evaluator is given, and report the result to NNI; see the two kinds."""
        raise NotImplementedError(f"{type(self).__name__} must say how an architecture is evaluated: override evaluate")


class NetworkEvaluator(Evaluator):
    """An evaluator that is given the network of an architecture."""

    def seed_everything(self) -> None:
        """Seed the process; call it before the network is built, whose initial weights are drawn."""
        from ednas_nni.training.seeding import seed_everything  # torch

        seed_everything(self.seed)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Train and score a network in place: images float (N, 3, H, W) in [0, 1] -> {task: (N, C, H, W)}.

        The final result is also reported to NNI if a trial is running.

        Raises:
            TrialError: No number can be given: a loss or a metric is not finite.
        """
        return super().evaluate(model)

    def example_predictions(self, model: nn.Module) -> dict[str, NDArray[np.generic]]:
        """Predictions beside the truth for the report, see `JaredEvaluator`; by default there are none."""
        return {}

    def _execute(self, model: Booked) -> Metrics:
        """What NNI's own engines call. Seeds first, so that equal seeds give equal initial weights."""
        from ednas_nni.training.seeding import seeded  # torch

        model = claimed(model)
        with seeded(self.seed):
            network = model.executable_model()
        return self.evaluate(network)


class SampleEvaluator(Evaluator):
    """An evaluator that judges an architecture by its choices alone: no network is built, torch is not needed."""

    def evaluate(self, sample: Sample) -> Metrics:
        """Judge a canonical sample; the final result is also reported to NNI.

        Raises:
            TrialError: No number can be given.
        """
        return super().evaluate(sample)

    def _execute(self, model: Booked) -> Metrics:
        """What NNI's own engines call: the network is not built."""
        return self.evaluate(TrialParameters.of(claimed(model).sample).sample)


EVALUATORS: Group[Callable[..., Evaluator]] = Group("evaluators", Evaluator)


def needs_network(plugin: object) -> bool:
    """Whether what a study names under `evaluator` is given a network, and so needs torch and the data."""
    return not (isinstance(plugin, type) and issubclass(plugin, SampleEvaluator))
