"""The doorway to NNI's strategies, one-shot, experiments and profilers, patched before anybody gets them."""

from __future__ import annotations

import sys
from importlib.util import find_spec

if sys.flags.optimize > 1:  # tianshou reads its own docstrings when it is imported; NNI does without tianshou
    sys.modules.setdefault("tianshou", None)  # type: ignore[arg-type]

import ednas_nni.compat.nas  # isort: skip  (first: it makes nni.nas importable)

# Before the one-shot package, which imports it halfway: the other way round NNI puts dummies, which raise when they are
# run, in the place of all one-shot strategies.
import nni.nas.strategy  # isort: skip

from ednas_nni.compat import enas, penalty_gradient, tpe_strangers, unseeded_draws

for patch in (penalty_gradient, tpe_strangers, unseeded_draws):
    patch.apply()
if find_spec("tianshou") is not None:  # ENAS needs it; NNI itself says so where it is missing
    enas.apply()

from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.experiment.config import SequentialEngineConfig, TrainingServiceEngineConfig
from nni.nas.oneshot.pytorch.profiler import ExpectationProfilerPenalty
from nni.nas.oneshot.pytorch.sampling import RandomSamplingLightningModule
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy
from nni.nas.oneshot.pytorch.supermodule._expression_utils import expression_expectation
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.strategy import (
    DARTS,
    ENAS,
    TPE,
    GridSearch,
    GumbelDARTS,
    PolicyBasedRL,
    Proxyless,
    Random,
    RandomOneShot,
    RegularizedEvolution,
)
from nni.nas.strategy.base import Strategy
from nni.nas.strategy.middleware import Chain, StrategyMiddleware
