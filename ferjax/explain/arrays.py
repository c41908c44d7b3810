"""Explanations as numbers, for programs: plain arrays, nothing is pickled."""

import io
from pathlib import Path

import numpy as np

from ferjax.explain.explained import Explained
from ferjax.files import write_atomic


def save(found: Explained, path: Path) -> None:
    """Writes `heat.npz`: `names`, `label_names`, `labels` (−1: unknown), `probabilities`, `classes` and the
    images `seen`, and each method's map float32 `[N, H, W]` as `heat/METHOD`.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array(found.subjects.names),
        label_names=np.array(found.label_names),
        labels=found.subjects.labels,
        probabilities=found.probabilities,
        classes=found.classes,
        seen=found.seen,
        **{f"heat/{method}": heat for method, heat in found.heat.items()},
    )
    write_atomic(path, buffer.getvalue())
