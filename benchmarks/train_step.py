"""A training step: ferjax against PyTorch eager and torch.compile, interleaved in one process.

    python -m benchmarks.train_step [--model resemotenet] [--size 64] [--batch 16,64] [--precision float32]
                                    [--rounds 7] [--nocompiled] [--json FILE]

Both sides take uint8 images that already lie on the device, flip, normalise, and make one SGD step.
"""

from benchmarks import beside_torch

if __name__ == "__main__":
    beside_torch.command(beside_torch.TRAINING, __doc__, batches="16,64", rounds=7)
