"""What a network costs on a device: layer records, devices, and a table that prices samples without building them.

Names are imported on first use: only some of them need torch.
"""

from __future__ import annotations

from ednas_nni.plugins import lazy

__getattr__ = lazy(
    __name__,
    {
        "AdditiveDevice": "device",
        "CostColumn": "device",
        "CostProfiler": "nni_profiler",
        "CostSummary": "summary",
        "CostTable": "table",
        "Device": "device",
        "LayerRecord": "records",
        "OrderDevice": "device",
        "PartsDevice": "device",
        "cost_table": "table",
        "feasible_share": "summary",
        "layer_records": "layers",
        "smallest": "summary",
    },
)
