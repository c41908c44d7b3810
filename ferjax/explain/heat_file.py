"""Writes explanations as numbers, for programs: plain arrays, nothing is pickled."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.explain.run_methods import Explained
from ferjax.platform import outputs

FILE = "heat.npz"


def save(explained: Explained, path: Path) -> None:
    """Writes `heat.npz`: `names`, `label_names`, `labels` (−1: unknown), `probabilities`, `classes` and the
    images `seen`, and each method's map float32 `[N, H, W]` as `heat/METHOD`.
    """
    arrays: dict[str, Any] = {
        "names": np.array(explained.subjects.names),
        "label_names": np.array(explained.label_names),
        "labels": explained.subjects.labels,
        "probabilities": explained.probabilities,
        "classes": explained.classes,
        "seen": explained.seen,
    }
    maps: dict[str, Any] = {f"heat/{method}": heat for method, heat in explained.heat.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays, **maps)
    outputs.write("explain", path, buffer.getvalue())
