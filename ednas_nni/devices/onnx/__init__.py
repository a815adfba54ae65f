"""Networks and their blocks as ONNX graphs, and how long onnxruntime takes for them on this machine.

Needs the extra `onnx` (`pip install 'ednas-nni[onnx]'`) where a graph is built or run; importing is light.
"""
