"""Metrics of a run on a tracking server, beside those in its folder: MLflow, Weights & Biases."""
