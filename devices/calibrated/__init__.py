"""Devices corrected by measurements of your own: what to measure, the correction, its device and command."""

from ednas_nni.plugins import lazy

__getattr__ = lazy(__name__, {"Calibrated": "device"})  # the command declares its arguments before anything heavy
