"""PyTorch counterparts of networks that no maintained package has; only comparisons import them."""
