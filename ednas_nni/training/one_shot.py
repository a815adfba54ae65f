"""NNI's one-shot strategies on a space: one supernet is trained, one architecture comes out of it.

The evaluator is that of multi-trial searches, and what comes out is a canonical sample as any other:
`search.assembled.trained` builds and trains it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from nni.mutable import Mutable
from pytorch_lightning import Callback

from ednas_nni.compat.nas import (
    LayerChoice,
    Lightning,
    ModelSpace,
    ParametrizedModule,
    Profiler,
    RawFormatModelSpace,
    SequentialExecutionEngine,
    Trainer,
)
from ednas_nni.compat.nas_search import (
    DARTS,
    ENAS,
    ExpectationProfilerPenalty,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    Strategy,
)
from ednas_nni.cost.nni_profiler import CostProfiler
from ednas_nni.errors import SampleError, StudyError, did_you_mean
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.nn.elastic import addresses, all_parameters
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains, Sample, Scalar
from ednas_nni.training.data import Batches
from ednas_nni.training.jared import JaredEvaluator, quiet

STRATEGIES: dict[str, tuple[type[Strategy], dict[str, Any]]] = {
    "random_one_shot": (RandomOneShot, {}),
    # NNI's rate of 3e-4 is for twenty thousand steps: in a few hundred the architecture would stay where it began.
    "darts": (DARTS, {"arc_learning_rate": 0.01}),
    "gumbel_darts": (GumbelDARTS, {"arc_learning_rate": 0.01}),
    "proxyless": (Proxyless, {"arc_learning_rate": 0.01}),
    "enas": (ENAS, {"reward_metric_name": "default", "batches_per_update": 8}),
}
"""Name -> NNI's class, and options that differ from NNI's own values."""

SAMPLING = ("random_one_shot", "enas")
"""Strategies that train one path of the supernet a step."""

MIXING = ("darts", "gumbel_darts", "proxyless")
"""Strategies that add up, or swap within one step, what several candidates give."""


def strategy(name: str, **options: Any) -> Strategy:
    """One of NNI's one-shot strategies, by its key of `STRATEGIES`, with options of NNI's class; see `limit`.

    Raises:
        StudyError: The name is unknown, an option is wrong, or ENAS lacks tianshou.
    """
    if name not in STRATEGIES:
        raise StudyError(f"Unknown one-shot strategy {name!r}.{did_you_mean(name, STRATEGIES)}")
    kind, defaults = STRATEGIES[name]
    if name == "enas":
        try:
            import tianshou  # noqa: F401
        except ImportError as error:
            raise StudyError(
                f"one-shot strategy 'enas' needs tianshou ({error}). Install the extra: pip install 'ednas-nni[rl]'. "
                "It does not load under python -OO."
            ) from None
    try:
        return kind(**{**defaults, **options})
    except (TypeError, ValueError) as error:
        raise StudyError(f"one-shot strategy {name!r}: {error}") from None


def name_of(strategy: Strategy) -> str:
    """The key of `STRATEGIES` that a strategy belongs to; "" for others."""
    return next((name for name, (kind, _) in STRATEGIES.items() if kind.__name__ == type(strategy).__name__), "")


def limit(name: str, profiler: Profiler, most: float, weight: float = 1.0) -> dict[str, Any]:
    """Options with which a strategy keeps to a limit, in the profiler's unit.

    `random_one_shot` draws within it. The others pay for what is above: weight * max(0, cost / limit - 1) is added to
    the loss of the architecture, or taken from ENAS's reward. The profiler is a `CostProfiler` or one of NNI's; for all
    but `random_one_shot` and `enas` an `ExpressionProfiler`.

    Raises:
        StudyError: A strategy that mixes candidates, and a cost that is not a sum over layers.
    """
    if name == "random_one_shot":
        return {"filter": {"profiler": profiler, "max": most}}
    sign = -1 if name == "enas" else 1
    penalty = {"profiler": profiler, "baseline": most, "scale": sign * weight, "nonlinear": "positive"}
    if name in MIXING and isinstance(profiler, CostProfiler):
        _ = profiler.summands  # raises where the cost is not a sum
        return {"penalty": _MeanPenalty(**penalty)}
    return {"penalty": penalty}


class _MeanPenalty(ExpectationProfilerPenalty):
    """NNI's penalty, which would go through an expression case by case, with the mean of a `CostProfiler`."""

    def profile(self, sample: Mapping[str, Mapping[Scalar, torch.Tensor]]) -> torch.Tensor:
        """The mean cost for the probabilities of each label."""
        return self.profiler.mean(sample)


def check(name: str, space: ModelSpace) -> None:
    """Check that a strategy can search all choices of a space.

    Raises:
        StudyError: It cannot; the message names the labels and the way out.
    """
    if sized := capabilities_of(space).size_labels:
        raise StudyError(
            f"one-shot strategy {name!r} cannot search sizes of features: {' and '.join(sized)}. Give one value (for a "
            "shipped preset `search_spaces.shorten(preset, widths=N)` does), or take a multi-trial strategy."
        )
    layers = [module for module in space.modules() if isinstance(module, ParametrizedModule)]
    sizes = [value for layer in layers for value in layer.args.values() if isinstance(value, Mutable)]
    inside = list(dict.fromkeys(label for size in sizes for label in size.simplify()))
    whole = {label for m in space.modules() if isinstance(m, LayerChoice) for label in m.choice.simplify()}
    differing = [label for label in inside if label in whole]
    if name in MIXING and differing:
        raise StudyError(
            f"one-shot strategy {name!r} mixes what candidates give, but those of {', '.join(differing)} differ in "
            "width. Leave one candidate, or take random_one_shot, enas or a multi-trial strategy."
        )
    if name == "proxyless" and inside:
        raise StudyError(
            f"one-shot strategy 'proxyless' chooses among whole modules and cannot search numbers inside of layers: "
            f"{', '.join(inside)}. Give each list of channels one value (for a shipped preset "
            "`search_spaces.shorten(preset, widths=1)` does), or take darts, gumbel_darts, enas or random_one_shot."
        )


def search(
    space: ModelSpace, evaluator: Lightning, strategy: Strategy, epochs: int | None = None, progress: bool = False
) -> Sample:
    """Train a supernet and return the canonical sample that the strategy makes of it; see `exported`.

    Args:
        space: Only its constructor is used, to make the supernet, whose weights begin as the evaluator's seed says.
        evaluator: A `JaredEvaluator`, or any of NNI's Lightning evaluators.
        strategy: Of `strategy`, or one of NNI's.
        epochs: With a `JaredEvaluator`, its steps are cut into so many epochs (by default about 20 steps each): ENAS
            alternates between training and rewards, Gumbel-DARTS cools down from epoch to epoch. Architecture gradients
            and rewards come from the search split, in batches of the recipe's size.
        progress: Show a bar on standard error.

    Raises:
        StudyError: As `check`; `epochs` is wrong; or a `filter` leaves nothing.
        TrialError: A loss is not finite.
    """
    domains = domains_of(space)
    check(name_of(strategy), space)
    with quiet(), _no_false_alarms():
        if isinstance(evaluator, JaredEvaluator):
            evaluator.seed_everything()
            evaluator = _in_epochs(evaluator, epochs, progress, alternating=isinstance(strategy, ENAS))
        supernet = type(space)(*space.trace_args, **space.trace_kwargs)
        try:
            strategy(RawFormatModelSpace(supernet, evaluator), SequentialExecutionEngine())
        except RuntimeError as error:
            if "Failed to sample a valid architecture" not in str(error):
                raise
            raise StudyError(
                f"filter: none of 100 random architectures keeps to the limit ({strategy.filter.max_value:g}, in the "
                "profiler's unit and at its image size). Raise it, or take a space of smaller networks."
            ) from None
        return exported(strategy, domains)


def exported(strategy: Strategy, domains: Domains) -> Sample:
    """The architecture that a one-shot strategy, which has run, ends with: a canonical sample.

    Proxyless exports one more draw, with labels of its own making; here it is the likeliest value of each label.
    RandomOneShot exports any architecture, ENAS a draw of its controller: neither knows a best one.
    """
    module = strategy.oneshot_module
    module.set_model(strategy.supernet)
    if isinstance(strategy, Proxyless):
        choices = {
            label: max(p, key=lambda value: float(p[value].detach())) for label, p in module.export_probs().items()
        }
    else:
        choices = module.export()
    return domains.complete({label: choices[label] for label in domains.labels if label in choices})


@torch.no_grad()
def inherit(strategy: Strategy, network: torch.nn.Module) -> None:
    """Give a network of the space the weights that it has in the supernet of `random_one_shot` or `enas`.

    NNI's layers keep the first channels of widths and the centre of kernels, as `nn.elastic` does, so the network is
    that path of the supernet. Its batch norms must be estimated anew (`nn.statistics.recalibrate`).

    Raises:
        StudyError: The strategy mixes candidates, whose weights belong to no single path.
        PluginError: A choice of the space was not made with `ednas_nni.nn.choice.layer_choice`.
        SampleError: The network is of another space.
    """
    if name_of(strategy) not in SAMPLING:
        raise StudyError(f"weights of a path are those of {' and '.join(SAMPLING)}: {strategy!r} mixes candidates.")
    shared, parameters = dict(all_parameters(strategy.supernet, elastic=False)), dict(network.named_parameters())
    for name, address in addresses(network, elastic=False).items():
        if address.tensor not in shared:
            raise SampleError(f"The supernet has no weights {address.tensor}: it was made for another space.")
        parameters[name].copy_(address.of(shared[address.tensor].detach()))


def _in_epochs(evaluator: JaredEvaluator, epochs: int | None, progress: bool, alternating: bool) -> Lightning:
    """The evaluator's module with as many steps as its recipe says, in several epochs."""
    from ednas_nni.data.batches import loader

    recipe, module = evaluator.recipe, evaluator.module
    data = module.data
    epochs = max(1, recipe.steps // 20) if epochs is None else epochs
    if not 1 <= epochs <= recipe.steps:
        raise StudyError(f"epochs is {epochs}; it must lie between 1 and the {recipe.steps} steps of the evaluator.")
    steps = recipe.steps // epochs
    rewards = max(1, steps // 2) if alternating else steps
    weights = max(1, steps - rewards) if alternating else steps
    split = data.source.split("search")
    searched = loader(split, data.by_name, min(recipe.batch_size, len(split)), shuffle=True, seed=recipe.seed)
    trainer = Trainer(
        **{
            **evaluator.trainer.trace_kwargs,
            "max_epochs": epochs,
            "val_check_interval": 1.0,
            "callbacks": [_Progress(epochs * steps)] if progress else [],
        }
    )
    return Lightning(
        module,
        trainer,
        train_dataloaders=Batches(data.train_batches().loader, weights),
        val_dataloaders=Batches(searched, rewards),
    )


class _Progress(Callback):
    """A bar of the supernet's steps."""

    def __init__(self, steps: int) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=steps, desc="supernet", unit="step")

    def on_train_batch_end(self, trainer: object, module: object, outputs: object, *_: object) -> None:
        """One step further."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, torch.Tensor):
            self.bar.set_postfix_str(f"loss {float(loss.detach()):.3f}", refresh=False)
        self.bar.update()

    def on_train_end(self, trainer: object, module: object) -> None:
        """Leave the bar as it is."""
        self.bar.close()


@contextmanager
def _no_false_alarms() -> Iterator[None]:
    """Drop warnings that NNI itself calls safe to ignore here, or that are said better in `exported`."""
    logger = logging.getLogger("nni.nas.evaluator.pytorch.lightning")

    def passes(record: logging.LogRecord) -> bool:
        return "Safe to ignore" not in record.getMessage()

    logger.addFilter(passes)
    try:
        with warnings.catch_warnings():
            for text in ("Direct export from RandomOneShot", "LeafSpec", "`training_step` returned `None`"):
                warnings.filterwarnings("ignore", message=f".*{text}.*")
            yield
    finally:
        logger.removeFilter(passes)
