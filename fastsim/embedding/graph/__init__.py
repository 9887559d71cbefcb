"""Rewrites of the ONNX graph before it runs."""
