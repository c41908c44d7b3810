"""Layers that several networks share, each a pure function or a small Linen module."""
