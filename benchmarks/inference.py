"""Inference: ferjax against PyTorch eager and torch.compile, in turns, each in its own process.

    python -m benchmarks.inference [--model resemotenet] [--size 64] [--batch 1,16,64] [--precision float32]
                                   [--rounds 15] [--nocompiled] [--json FILE]

Both sides take uint8 images that already lie on the device, normalise, and bring the logits to the host.

With JAX_NUM_CPU_DEVICES=2 ferjax spreads a batch over two halves of a CPU.
"""

from benchmarks import beside_torch

if __name__ == "__main__":
    beside_torch.command(beside_torch.INFERENCE, __doc__, batches="1,16,64", rounds=15)
