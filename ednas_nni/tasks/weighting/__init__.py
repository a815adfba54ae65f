"""How task losses become one scalar: `sums`, and those of TorchJD in `gradients`."""

from ednas_nni.tasks.weighting.sums import DWA, Fixed, GeometricMean, Uncertainty

__all__ = ["DWA", "Fixed", "GeometricMean", "Uncertainty"]
