"""The doorway to `nni.nas`: what a trial uses of it, patched before anybody gets it.

    from ednas_nni.compat.nas import LayerChoice, ModelSpace

Strategies, experiments, one-shot and profilers have a doorway of their own (`nas_search`), since NNI's strategies bring
reinforcement learning with them: 0.3 s and 77 MB that trials do without.

Where NNI is not installed, networks of a sample can still be built, see `without_nni`: trained networks are used on
machines that never search.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import nni

    MISSING = ""
except ImportError as error:
    MISSING = str(error)

if not MISSING:
    from ednas_nni.compat import gym_banner, threads

    from ednas_nni.compat import vision  # isort: skip  (first: nni.nas imports torchmetrics, and that torchvision)

    gym_banner.apply()
    threads.apply()
    with warnings.catch_warnings():
        # What NNI 3.0 says about newer torch and setuptools, once, at this import; users cannot act on it.
        warnings.filterwarnings("ignore", message=".*not a nn.Module.*")
        warnings.filterwarnings("ignore", message=".*pkg_resources is deprecated.*")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        import nni.nas.nn.pytorch

    for name in ("layer_choice", "left_parameters", "endless_wait", "nas_resume", "plain_json", "trial_process"):
        import_module(f"ednas_nni.compat.{name}").apply()

    from nni.mutable import Categorical, Mutable, MutableExpression, ensure_frozen
    from nni.mutable.annotation import MutableAnnotation
    from nni.mutable.frozen import frozen_context
    from nni.nas.evaluator import FunctionalEvaluator
    from nni.nas.evaluator.pytorch.lightning import Lightning, LightningModule, Trainer
    from nni.nas.execution import ExecutionEngine, Middleware, SequentialExecutionEngine, TrainingServiceExecutionEngine
    from nni.nas.execution.event import (
        FinalMetricEvent,
        IntermediateMetricEvent,
        ModelEvent,
        ModelEventType,
        TrainingEndEvent,
    )
    from nni.nas.nn.pytorch import (
        InputChoice,
        LayerChoice,
        ModelSpace,
        MutableBatchNorm2d,
        MutableConv2d,
        MutableLinear,
        MutableModule,
        ParametrizedModule,
        Repeat,
    )
    from nni.nas.profiler import ExpressionProfiler, Profiler
    from nni.nas.space import (
        ExecutableModelSpace,
        ModelStatus,
        RawFormatModelSpace,
        SimplifiedModelSpace,
        current_model,
        model_context,
    )

    choice = nni.choice
else:
    from ednas_nni.compat.without_nni import (
        Categorical,
        LayerChoice,
        ModelSpace,
        Mutable,
        MutableAnnotation,
        MutableBatchNorm2d,
        MutableConv2d,
        MutableExpression,
        MutableLinear,
        MutableModule,
        ParametrizedModule,
        Repeat,
        choice,
        current_model,
        ensure_frozen,
        frozen_context,
        model_context,
    )

if not TYPE_CHECKING:  # so that a mistyped name is still found

    def __getattr__(name: str) -> Any:
        if MISSING and not name.startswith("_"):
            raise ImportError(
                f"Searching and training need NNI, of which {name} is a part; it cannot be imported ({MISSING}). "
                "Install it: pip install nni==3.0"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
