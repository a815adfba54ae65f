"""Devices corrected by measurements of your own: what to measure, the correction, and the device that it makes."""

from ednas_nni.calibration.device import Calibrated

__all__ = ["Calibrated"]
