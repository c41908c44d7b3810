"""Puts pictures into a page as data URIs: a page refers to nothing outside itself."""

import base64
import io

import numpy as np
from PIL import Image

SIDE = 96  # pixels; a small image is enlarged until its shorter side has so many


def data_uri(content: bytes, kind: str) -> str:
    """Turns an encoded picture into a URI; `kind` is "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def photograph(image: np.ndarray) -> str:
    """Encodes uint8 `[H, W, 1 or 3]` as the URI of a JPEG of about 100 to 200 pixels."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = max(1.0, SIDE / min(picture.size))
    picture = picture.resize([round(scale * side) for side in picture.size], Image.Resampling.LANCZOS)
    picture.thumbnail((2 * SIDE, 2 * SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return data_uri(buffer.getvalue(), "jpeg")
