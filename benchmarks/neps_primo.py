"""PriMO of NePS as a contender of search_strategies.py; NePS is installed beside, as it pins old versions:

    python -m venv neps && neps/bin/pip install -e . neural-pipeline-search 'botorch==0.12.0'
    neps/bin/python benchmarks/search_strategies.py --only 'neps primo'

PriMO weighs the objectives by one fixed vector a search, knows neither constraints nor conditions, and wants a
fidelity. So it searches with five weights in turns out of the same budget; what breaks a limit is answered at once
with quality 0 and its latency, and costs no trial; labels are flat, and a sample is the canonical one of a point; the
fidelity has one step, so that its first design is random. It has no prior here. Trials of a search run one at a time.
"""

from __future__ import annotations

import warnings
from itertools import zip_longest

import numpy as np
from strategy_worlds import World

from ednas_nni.search.problem import Sample

WEIGHTS = (0.05, 0.15, 0.3, 0.5, 0.7)
"""Of latency, as a share of its limit, against quality."""
FIRST, PATIENCE = 8, 300


def primo(on: World, seed: int, trials: int) -> list[Sample]:
    """The samples in the order in which they were trained."""
    parts = [weighed(on, seed, weight, trials // len(WEIGHTS) + 4) for weight in WEIGHTS]
    merged = {on.domains.architecture_id(s): s for turn in zip_longest(*parts) for s in turn if s}
    return list(merged.values())[:trials]


def weighed(on: World, seed: int, weight: float, trials: int) -> list[Sample]:
    """One search."""
    import torch
    from neps import AskAndTell
    from neps.optimizers.algorithms import primo as made
    from neps.space import HPOCategorical, HPOInteger, SearchSpace

    warnings.filterwarnings("ignore")
    torch.manual_seed(seed)
    np.random.seed(seed)
    fixed = {d.label: d.values[0] for d in on.domains.dimensions if len(d.values) == 1}  # which NePS rejects
    axes = {d.label: HPOCategorical(list(d.values)) for d in on.domains.dimensions if d.label not in fixed}
    space = SearchSpace(axes | {"fidelity": HPOInteger(1, 2, is_fidelity=True)})  # 2, whenever it is asked
    weights = np.array([1 - weight, weight])
    core = AskAndTell(made(space, prior_centers={}, initial_design_size=FIRST, bo_scalar_weights=weights))
    trained: dict[str, Sample] = {}
    for _ in range(trials + PATIENCE):
        asked = core.ask()
        sample = on.domains.canonical({**fixed, **{label: asked.config[label] for label in axes}})
        fits = bool(on.problem.feasible([sample])[0])
        share = float(on.latency([sample])[0]) / on.anchor[1]
        core.tell(asked, {"objective_to_minimize": [-on.observed(sample, seed) if fits else 0.0, share]})
        if fits:
            trained[on.domains.architecture_id(sample)] = sample
        if len(trained) == trials:
            break
    return list(trained.values())
