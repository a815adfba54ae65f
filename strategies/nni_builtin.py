"""NNI's own multi-trial strategies, with defaults that make sense for a few dozen trials.

Wrapped by `HardwareAware` they search for quality and cost; alone they search for quality within the constraints.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ednas_nni.compat import nas_search as nni_strategy
from ednas_nni.errors import StudyError
from ednas_nni.training.seeding import seed_everything

Seed = Annotated[int, Field(ge=0, lt=2**32)] | None  # what numpy's RandomState takes
Count = Annotated[int, Field(ge=1, le=100_000)]
Probability = Annotated[float, Field(ge=0.001, le=1)]


def random(seed: Seed = None, dedup: bool = True) -> nni_strategy.Random:
    """Random search; each sample once.

    Args:
        seed: Random seed.
        dedup: Whether repeated samples are left out.
    """
    return nni_strategy.Random(seed=seed, dedup=dedup)


def grid_search(seed: Seed = None, shuffle: bool = True) -> nni_strategy.GridSearch:
    """Every sample in label order, shuffled within each hundred: for small spaces only.

    Args:
        seed: Random seed.
        shuffle: Whether to shuffle.
    """
    return nni_strategy.GridSearch(seed=seed, shuffle=shuffle)


def regularized_evolution(
    seed: Seed = None,
    population_size: Count = 12,
    sample_size: Count = 4,
    mutation_prob: Probability = 0.1,
    crossover: bool = False,
) -> nni_strategy.RegularizedEvolution:
    """Aging evolution (Real et al., AAAI 2019).

    NNI's defaults (population 100, tournament 25, mutation 0.05) would spend a search of a few dozen trials on
    random sampling alone.

    Args:
        seed: Random seed.
        population_size: Latest networks that may become parents.
        sample_size: Networks drawn for a tournament, whose best becomes the parent.
        mutation_prob: Probability of each choice to be drawn anew.
        crossover: Whether a child has two parents.

    Raises:
        StudyError: The tournament is larger than the population.
    """
    if not 1 <= sample_size <= population_size:
        raise StudyError(
            f"strategy.sample_size is {sample_size}; it must lie between 1 and population_size ({population_size})."
        )
    return nni_strategy.RegularizedEvolution(
        population_size=population_size,
        sample_size=sample_size,
        mutation_prob=mutation_prob,
        crossover=crossover,
        seed=seed,
    )


def tpe(seed: Seed = None, startup: Count = 8, candidates: Count = 24) -> nni_strategy.TPE:
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011).

    NNI's wrapper minimises unless told otherwise, and starts with 20 random trials.

    Args:
        seed: Random seed.
        startup: Random trials before the first model.
        candidates: Samples scored per proposal and choice.
    """
    return nni_strategy.TPE(
        optimize_mode="maximize", seed=seed, tpe_args={"n_startup_jobs": startup, "n_ei_candidates": candidates}
    )


def policy_based_rl(seed: Seed = None, samples_per_update: Count = 6) -> nni_strategy.PolicyBasedRL:
    """PPO over the decisions of a sample (tianshou); needs the extra `rl`.

    NNI takes no seed here: torch's and numpy's global generators are seeded when the policy is made, which is
    reproducible as long as nothing else draws from them in the process of the strategy.

    Args:
        seed: Random seed.
        samples_per_update: Trials between two updates.

    Raises:
        StudyError: tianshou is not installed.
    """
    try:
        strategy = nni_strategy.PolicyBasedRL(samples_per_update=samples_per_update)
    except ImportError as error:
        raise StudyError(
            f"strategy 'policy_based_rl' needs tianshou ({error}). Install the extra: pip install 'ednas-nni[rl]'. "
            "It does not load under python -OO."
        ) from error
    if seed is not None:
        make = strategy.policy_fn

        def seeded(environment: Any) -> Any:
            seed_everything(seed)
            return make(environment)

        strategy.policy_fn = seeded
    return strategy
