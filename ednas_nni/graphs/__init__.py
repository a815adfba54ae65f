"""Inference graphs in ONNX's operators: captured from any module, with or without weights, batch norms folded."""
