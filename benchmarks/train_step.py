"""A training step: ferjax against PyTorch eager and torch.compile, in turns, each in its own process.

    python -m benchmarks.train_step [--model resemotenet] [--size 64] [--batch 16,64] [--precision float32]
                                    [--rounds 7] [--nocompiled] [--json FILE]

Both sides take uint8 images that already lie on the device, flip, normalise, and make one SGD step.

With JAX_NUM_CPU_DEVICES=2 ferjax spreads a batch over two halves of a CPU.
"""

from benchmarks import beside_torch

if __name__ == "__main__":
    beside_torch.command(beside_torch.TRAINING, __doc__, batches="16,64", rounds=7)
