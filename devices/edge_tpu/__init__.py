"""The Coral Edge TPU, and any systolic array that a profile of `kind: systolic` describes."""

from devices.edge_tpu.device import EdgeTPU

__all__ = ["EdgeTPU"]
