"""The data sets that a PyTorch DataLoader takes its examples from, one by one."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image


class ArrayDataset(torch.utils.data.Dataset):
    """Images held as one array: uint8 `[N, H, W, C]`."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.images[index]), int(self.labels[index])


class FileDataset(torch.utils.data.Dataset):
    """Image files, opened and decoded when asked for; `mode` is PIL's, L or RGB."""

    def __init__(self, paths: list[Path], labels: list[int], mode: str) -> None:
        self.paths = paths
        self.labels = labels
        self.mode = mode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as image:
            pixels = np.array(image if image.mode == self.mode else image.convert(self.mode))
        return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)), int(self.labels[index])
