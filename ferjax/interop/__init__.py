"""Comparison with PyTorch, and weights from and to PyTorch."""
