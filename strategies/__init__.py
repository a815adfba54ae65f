"""Search strategies: EDNAS' own and NNI's, each with defaults for searches of a few dozen trials.

Names are loaded on use, so that listing them costs nothing.
"""

from __future__ import annotations

from ednas_nni.plugins import lazy

__getattr__ = lazy(
    __name__,
    {
        "Ednas": "ednas",
        "Evolution": "evolution",
        "HardwareAware": "hardware_aware",
        "OptunaStrategy": "optuna_sampler",
        "PolicyGradient": "policy_gradient",
        "grid_search": "nni_builtin",
        "policy_based_rl": "nni_builtin",
        "random": "nni_builtin",
        "regularized_evolution": "nni_builtin",
        "tpe": "nni_builtin",
    },
)
