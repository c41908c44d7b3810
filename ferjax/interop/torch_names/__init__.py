"""Networks' names in PyTorch, a file a family; `ferjax.interop.torch_networks` finds the files."""
