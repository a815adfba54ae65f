"""How task losses become one scalar; one file a weighting, and those of TorchJD in `gradients`."""

from ednas_nni.tasks.weighting.dwa import DWA
from ednas_nni.tasks.weighting.fixed import Fixed
from ednas_nni.tasks.weighting.geometric import GeometricMean
from ednas_nni.tasks.weighting.uncertainty import Uncertainty

__all__ = ["DWA", "Fixed", "GeometricMean", "Uncertainty"]
