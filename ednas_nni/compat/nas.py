"""The doorway to `nni.nas`: what a trial uses of it, patched before anybody gets it.

    from ednas_nni.compat.nas import LayerChoice, ModelSpace

Strategies, experiments, one-shot and profilers have a doorway of their own (`nas_search`), since NNI's strategies bring
reinforcement learning with them: 0.3 s and 77 MB that trials do without.
"""

from __future__ import annotations

import warnings

from ednas_nni.compat import endless_wait, gym_banner, layer_choice, left_parameters, nas_resume

from ednas_nni.compat import vision  # isort: skip  (first: nni.nas imports torchmetrics, which imports torchvision)

gym_banner.apply()
with warnings.catch_warnings():
    # What NNI 3.0 says about newer torch and setuptools, once, at this import; users cannot act on it.
    warnings.filterwarnings("ignore", message=".*not a nn.Module.*")
    warnings.filterwarnings("ignore", message=".*pkg_resources is deprecated.*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    import nni.nas.nn.pytorch

for patch in (layer_choice, left_parameters, endless_wait, nas_resume):
    patch.apply()

from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch.lightning import Lightning, LightningModule, Trainer
from nni.nas.execution import (
    ExecutionEngine,
    Middleware,
    SequentialExecutionEngine,
    TrainingServiceExecutionEngine,
)
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
