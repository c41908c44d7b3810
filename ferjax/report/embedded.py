"""Pictures inside a page, as data URIs: a page refers to nothing outside itself."""

import base64
import io

import numpy as np
from PIL import Image

SIDE = 96  # pixels, of the smallest side that a small image is enlarged to


def data_uri(content: bytes, kind: str) -> str:
    """An encoded picture as a URI; `kind` is "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def photograph(image: np.ndarray) -> str:
    """uint8 `[H, W, 1 or 3]` as a JPEG of about 100 to 200 pixels."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = max(1.0, SIDE / min(picture.size))
    picture = picture.resize([round(scale * side) for side in picture.size], Image.Resampling.LANCZOS)
    picture.thumbnail((2 * SIDE, 2 * SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return data_uri(buffer.getvalue(), "jpeg")
