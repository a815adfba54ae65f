"""Mends for the outside world: NNI 3.0, Lightning and torchvision as they are today.

Each mend is a small module with `needed()` (does the fault still exist?), `apply()` (idempotent) and a docstring that
gives the fault, the upstream report and when the mend can go. This package imports nothing of ours; torch and NNI
are imported inside functions.
"""

from __future__ import annotations

import importlib.util
import warnings

_applied = False


def apply() -> None:
    """Apply what importing `nni.nas` and using its model spaces needs. Cheap when repeated."""
    global _applied
    if _applied:
        return
    _applied = True
    from ednas_nni.compat import gym_banner, layer_choice, torchvision_ops

    torchvision_ops.apply()  # torchmetrics, which nni.nas imports, imports torchvision where it is installed
    gym_banner.apply()
    with warnings.catch_warnings():
        _quiet()
        import nni.nas.nn.pytorch  # noqa: F401  (the warnings appear once, at this import)
    layer_choice.apply()


def one_shot() -> None:
    """Apply what NNI's one-shot strategies need. Cheap when repeated."""
    apply()
    import nni.nas.strategy  # noqa: F401  (first: see enas_loader)

    from ednas_nni.compat import enas_loader, enas_policy, left_parameters, penalty_gradient

    left_parameters.apply()
    penalty_gradient.apply()
    if importlib.util.find_spec("tianshou") is not None:  # ENAS needs it; NNI itself says so where it is missing
        enas_loader.apply()
        enas_policy.apply()


def training_service() -> None:
    """Apply what NNI's training-service engine and the resume of a `NasExperiment` need. Cheap when repeated."""
    apply()
    from ednas_nni.compat import endless_wait, nas_resume

    endless_wait.apply()
    nas_resume.apply()


def _quiet() -> None:
    """Silence what NNI 3.0 says at import about newer torch and setuptools; users cannot act on it."""
    warnings.filterwarnings("ignore", message=".*not a nn.Module.*")
    warnings.filterwarnings("ignore", message=".*pkg_resources is deprecated.*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
