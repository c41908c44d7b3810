"""A run as it lies on the disk: its folder, config, checkpoints, weights, predictions and result."""
