"""The process and the machine: memory, XLA flags, the compilation cache, devices."""
