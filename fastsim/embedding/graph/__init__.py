"""Rewrite the ONNX graph before it runs."""
