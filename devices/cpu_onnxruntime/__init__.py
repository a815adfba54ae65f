"""The device cpu_onnxruntime: how long a space's blocks take in onnxruntime on this machine, measured.

All but the runtime is devices.parts. Needs the extra `onnx` (`pip install 'ednas-nni[onnx]'`) where a graph is built or
run; importing is light.
"""

from devices.cpu_onnxruntime.device import CpuOnnxruntime

__all__ = ["CpuOnnxruntime"]
