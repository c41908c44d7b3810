"""Opens a trained network from a run or a bundle, reads pictures, and computes probabilities."""
