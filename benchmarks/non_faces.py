"""Pictures that are no face, or none as FER2013 has them, for `benchmarks.refusal`.

They are crops of pictures in scikit-image and scikit-learn (in the public domain, CC0, CC BY 2.0 or, of
NASA's and others, free), drawn by ferjax or generated. Validation and test have no picture in common.
"""

from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image
from sklearn.datasets import load_digits

from ferjax import data
from ferjax.data.resize import resize

SIDE = 48
SPLITS = ("validation", "test")
_SMALLEST, _LARGEST = 48, 400  # pixels of a crop
_PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
_CROPPED = {
    "photographs of things": (
        ("coffee.png", "coins.png", "chelsea.png", "clock_motion.png"),
        ("motorcycle_left.png", "rocket.jpg", "china.jpg", "flower.jpg"),
    ),
    "textures": (("brick.png",), ("grass.png", "gravel.png")),
    "writing and science": (
        ("page.png", "ihc.png", "moon.png"),
        ("text.png", "retina.jpg", "hubble_deep_field.jpg", "cell.png"),
    ),
}
FACES = "faces of LFW, 25×25 enlarged"  # which are faces: those that are refused are refused wrongly


def kinds(split: str, faces: np.ndarray, count: int, toons_dir: str) -> dict[str, np.ndarray]:
    """Makes pictures of every kind: name → uint8 `[N, 48, 48, 1]`, N about `count`.

    Args:
        split: "validation" or "test".
        faces: uint8 `[M, 48, 48, 1]`, real faces of that split, some of which are masked.
        count: pictures of a kind.
        toons_dir: the folder of built sets; empty: the usual one.
    """
    place = SPLITS.index(split)
    rng = np.random.default_rng(place)
    found = {name: _crops(files[place], count, rng) for name, files in _CROPPED.items()}
    patches = np.load(_PHOTOGRAPHS / "lfw_subset.npy")  # 100 faces, then 100 pieces of backgrounds
    digits = load_digits(return_X_y=True)[0].reshape(-1, 8, 8)
    found["pieces of backgrounds (LFW)"] = _enlarged(patches[100:][place::2] * 255)
    found["handwritten digits"] = _enlarged(digits[place::2][:count] / 16 * 255)
    found["noise"] = _noise(count, rng)
    for style in ("avataaars", "open_peeps"):
        toons = data.load(f"toons/{style}", split, toons_dir or None, image_size=SIDE, channels=3)
        found[f"cartoons ({style})"] = _grey(toons.take(np.arange(min(count, len(toons))))["image"])
    found["faces, mouth and nose covered"] = covered(faces[rng.permutation(len(faces))[:count]], rng)
    found[FACES] = _enlarged(patches[:100][place::2] * 255)
    return found


def covered(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a block of one grey over mouth and nose, from below the eyes to the lower edge."""
    masked = faces.copy()
    for face in masked:
        left, right = rng.integers(4, 11, 2)
        face[rng.integers(24, 29) :, left : SIDE - right] = rng.integers(0, 256)
    return masked


def _crops(names: tuple[str, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    cut = []
    for name in names:
        own = _PHOTOGRAPHS / name
        picture = Image.open(
            own if own.exists() else Path(sklearn.__file__).parent / "datasets/images" / name
        )
        pixels = np.asarray(picture.convert("RGB").convert("L"))[:, :, None]
        for _ in range(count // len(names)):
            side = rng.integers(_SMALLEST, min(*pixels.shape[:2], _LARGEST) + 1)
            top, left = (rng.integers(length - side + 1) for length in pixels.shape[:2])
            cut.append(resize(pixels[top : top + side, left : left + side], SIDE, "pil"))
    return np.stack(cut)


def _enlarged(pictures: np.ndarray) -> np.ndarray:
    return np.stack([resize(picture.astype(np.uint8)[:, :, None], SIDE, "pil") for picture in pictures])


def _grey(pictures: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(one).convert("L"))[:, :, None] for one in pictures])


def _noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Makes a third each of uniform noise, of normal noise, and of noise whose spectrum falls as 1 / f."""
    shape = (count // 3, SIDE, SIDE)
    waves = np.fft.fftfreq(SIDE)
    length = np.hypot(waves[:, None], waves[None])
    length[0, 0] = 1
    clouds = np.fft.ifft2(np.fft.fft2(rng.normal(size=shape)) / length).real
    low, high = (end(clouds, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
    parts = [rng.integers(0, 256, shape), rng.normal(128, 40, shape).clip(0, 255)]
    noise = np.concatenate([*parts, (clouds - low) / (high - low) * 255])
    return noise.astype(np.uint8)[..., None]
