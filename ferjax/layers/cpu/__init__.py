"""Convolutions for CPUs, where XLA's own are slow."""
