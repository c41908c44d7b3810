"""Reproducibility packs: all that a reader needs to check finished runs and to train them again."""
