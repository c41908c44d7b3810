"""Estimates what a training step costs on other hardware: compiled ahead of time for it, without it."""
