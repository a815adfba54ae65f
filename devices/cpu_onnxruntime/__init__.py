"""The device cpu_onnxruntime: how long a space's blocks take in onnxruntime on this machine, measured.

A block is captured as an ONNX graph (capture, operators, graph), timed (build, measure, store, probe_graphs), and its
time is an additive feature of the space (blocks, block_table, device). Needs the extra `onnx`
(`pip install 'ednas-nni[onnx]'`) where a graph is built or run; importing is light.
"""

from devices.cpu_onnxruntime.device import CpuOnnxruntime, whole_networks

__all__ = ["CpuOnnxruntime", "whole_networks"]
