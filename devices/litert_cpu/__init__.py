"""The device litert_cpu: how long a space's blocks take in LiteRT (XNNPACK) on this machine, measured.

All but the runtime is devices.parts. Needs the extra `tflite` (`pip install 'ednas-nni[tflite]'`); importing is light.
"""

from devices.litert_cpu.device import LitertCpu

__all__ = ["LitertCpu"]
