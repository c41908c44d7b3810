"""ferjax beside PyTorch: the same numbers, and weights both ways."""
