"""Takes fingerprints of stored images, for finding copies, and keeps them beside the set."""

import functools
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ferjax.data.array_files import read_arrays, write_arrays
from ferjax.data.images import BadImage, decode
from ferjax.data.records import CHUNK, Records
from ferjax.platform.progress_bar import progress

SIDE = 16


class Fingerprints(NamedTuple):
    """Fingerprints of every image of a split, as it is stored.

    Attributes:
        pixels: uint64 [N], of the decoded pixels and their shape (64 bits of BLAKE2b): equal for exact
            duplicates, however they are encoded.
        shapes: int32 [N, 3], H, W, C; zeros where the image cannot be decoded.
        constant: bool [N], all pixels are the same.
        thumbnails: uint8 [N, 16, 16], grey, every pixel the mean of what it covers.
    """

    pixels: np.ndarray
    shapes: np.ndarray
    constant: np.ndarray
    thumbnails: np.ndarray

    @property
    def readable(self) -> np.ndarray:
        """Marks the images that can be decoded: bool [N]."""
        return self.shapes[:, 0] > 0


def fingerprints(records: Records) -> Fingerprints:
    """Returns the fingerprints of every record: taken now, or read from the file of the last time.

    Raises:
        UserError: a shard is damaged.
    """
    if parts := records.parts():
        return Fingerprints(*map(np.concatenate, zip(*map(fingerprints, parts), strict=True)))
    path = _path(records)
    kept = read_arrays(path)
    if kept is not None and str(kept.pop("digest", "")) == records.index.digest:
        return Fingerprints(**kept)
    taken = _take(records)
    write_arrays(path, digest=np.array(records.index.digest), **taken._asdict())
    return taken


class PixelHashes(NamedTuple):
    """What tells exact copies in a split, nine bytes an image.

    Attributes:
        pixels: uint64 [N], see `Fingerprints`.
        readable: bool [N], the images that can be decoded.
    """

    pixels: np.ndarray
    readable: np.ndarray


def pixel_hashes(records: Records) -> PixelHashes:
    """Returns the hashes of every record: taken now, or read from a file of the last time.

    Raises:
        UserError: a shard is damaged.
    """
    if parts := records.parts():
        return PixelHashes(*map(np.concatenate, zip(*map(pixel_hashes, parts), strict=True)))
    digest = records.index.digest
    whole = read_arrays(_path(records), ("digest", "pixels", "shapes"))  # an audit leaves them
    if whole is not None and str(whole["digest"]) == digest:
        return PixelHashes(whole["pixels"], whole["shapes"][:, 0] > 0)
    path = records.folder / f"{records.split}.pixels.npz"
    kept = read_arrays(path, ("digest", *PixelHashes._fields))
    if kept is not None and str(kept.pop("digest")) == digest:
        return PixelHashes(**kept)
    taken = PixelHashes(np.zeros(len(records), np.uint64), np.zeros(len(records), bool))

    def put(place: int, image: np.ndarray) -> None:
        taken.pixels[place], taken.readable[place] = pixel_hash(image), True

    _decode_all(records, put)
    write_arrays(path, digest=np.array(digest), **taken._asdict())
    return taken


def _path(records: Records) -> Path:
    return records.folder / f"{records.split}.fingerprints.npz"


def _take(records: Records) -> Fingerprints:
    count = len(records)
    taken = Fingerprints(
        np.zeros(count, np.uint64),
        np.zeros((count, 3), np.int32),
        np.zeros(count, bool),
        np.zeros((count, SIDE, SIDE), np.uint8),
    )

    def put(place: int, image: np.ndarray) -> None:
        taken.pixels[place] = pixel_hash(image)
        taken.shapes[place] = image.shape
        taken.constant[place] = image.min() == image.max()
        taken.thumbnails[place] = thumbnail(image)

    _decode_all(records, put)
    return taken


def _decode_all(records: Records, put: Callable[[int, np.ndarray], None]) -> None:
    """Decodes every image that can be, on every core, and hands it over with its place."""
    count = len(records)

    def fill(start: int) -> int:
        chunk = range(start, min(start + CHUNK, count))
        for place, record in zip(chunk, records.read(chunk), strict=True):
            try:
                image = decode(record["image"])
            except BadImage:
                continue
            put(place, image)
        return len(chunk)

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(f"comparing {records.name} {records.split}", "images", total=count) as bar,
    ):
        for done in pool.map(fill, range(0, count, CHUNK)):
            bar.update(done)


def pixel_hash(image: np.ndarray) -> int:
    """Hashes the pixels of uint8 [H, W, C] and its shape to 64 bits."""
    digest = hashlib.blake2b(
        np.ascontiguousarray(image).tobytes(), digest_size=8, key=_shape_key(image.shape)
    )
    return int.from_bytes(digest.digest(), "little")


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, C] to uint8 [16, 16], grey (ITU-R 601 luma), by taking means."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("L")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


@functools.lru_cache
def _shape_key(shape: tuple[int, ...]) -> bytes:
    return "x".join(map(str, shape)).encode()
