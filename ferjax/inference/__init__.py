"""A trained network that is ready to be asked: opened from a run or a bundle, with pictures as its input."""
