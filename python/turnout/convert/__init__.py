"""Conversion of fitted models to ONNX: what clients see of them, the graph, and the proof that both answer alike."""
