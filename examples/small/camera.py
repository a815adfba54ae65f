"""The device of docs/adding_a_device.md: weights do not always fit into its memory."""

from ednas_nni.cost import AdditiveDevice, CostColumn
from ednas_nni.cost.device import LowerBound
from ednas_nni.cost.records import WEIGHT_KINDS


class Camera(AdditiveDevice):
    """A camera with a small accelerator.

    Args:
        memory_mb: Memory for weights, in 1e6 bytes; what does not fit is read from flash for every image.
    """

    name = "camera"
    dtype = "int8"

    def __init__(self, memory_mb: float = 1.0) -> None:
        self.memory = memory_mb * 1e6
        note = "formula of the vendor; not counted: reading the image. Compared on 12 networks of 0.1 to 2 GMAC."
        self.columns = (
            CostColumn("latency_ms", "ms", self.name, "modelled", note, error=0.15, compared="12 networks"),
        )

    def layer_features(self, layer):
        return {"macs": layer.macs, "weight_bytes": layer.params if layer.kind in WEIGHT_KINDS else 0}

    def costs(self, totals):
        terms = self.terms("latency_ms", totals)
        return {"latency_ms": terms["arithmetic"] + terms["flash"]}

    def terms(self, column, totals):
        flash = (totals["weight_bytes"] - self.memory).clip(min=0) / 20e3  # 20 MB/s
        return {"arithmetic": totals["macs"] / 50e6, "flash": flash}  # 50 GMAC/s

    def lower_bound(self, column):
        return LowerBound({"macs": 1 / 50e6})
