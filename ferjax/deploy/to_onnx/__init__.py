"""Writes a traced JAX function as an ONNX graph, operation by operation: `convert.to_onnx`."""
