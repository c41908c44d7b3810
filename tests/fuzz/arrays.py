"""Arrays: AffectNet's label files (.npy) and the predictions of a run (.npz)."""

import functools
import io
import zipfile
from pathlib import Path
from random import Random

import numpy as np

from ferjax.data.array_files import read_arrays
from ferjax.data.builders.npy_annotations import read_label
from ferjax.runs import predictions
from fuzz import mutations
from fuzz.case import Case

_HEADERS = (
    "{'descr': '<i8', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (True,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (10**9,), }", "(((", "{1: 2}", "[" * 500,
    "{'descr': '<U9999999', "
    "'fortran_order': False, 'shape': (), }",
    "{'descr': [('a', '<i8')], 'fortran_order': True, 'shape': (1,), }", "",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<i8', 'fortran_order': 1, 'shape': -1}",
)  # fmt: skip
_VALUES = (
    np.int64(3), np.float32(2.0), np.array(["5"]), np.array("x"), np.array([1, 2]), np.float64("nan"),
    np.float64("inf"),
    np.array(b"3"), np.array(True), np.array(1j), np.array("9" * 400), np.uint8(255), np.array("１"),
    np.array("1_0"),
)  # fmt: skip


def make(rng: Random, folder: Path) -> Case:
    """One file of arrays."""
    user = folder / "user"
    user.mkdir()
    return _label(rng, user) if rng.random() < 0.6 else _predictions(rng, user)


def _label(rng: Random, user: Path) -> Case:
    buffer = io.BytesIO()
    np.save(buffer, rng.choice(_VALUES), allow_pickle=False)
    content = buffer.getvalue()
    if rng.random() < 0.4:
        header = rng.choice(_HEADERS).encode()
        size = rng.choice((len(header), 0, 1, 0xFFFF))
        content = (
            b"\x93NUMPY"
            + bytes([rng.choice((1, 1, 1, 2, 3, 9)), 0])
            + size.to_bytes(2, "little")
            + header
            + b"\0" * 8
        )
    if rng.random() < 0.6:
        content = mutations.damaged(rng, content)
    path = user / "0_exp.npy"
    path.write_bytes(content)
    return Case(lambda: int(read_label(path)), user, (ValueError,), repr(content[:200]))


@functools.cache
def _saved(name: str) -> dict[str, bytes]:
    about = '{"dataset": "d", "split": "test", "split_digest": "0", "step": 3, "label_names": ["a", "b"]}'
    arrays = {
        "about": np.array(about),
        "indices": np.arange(3),
        "labels": np.array([0, 1, 1], np.int32),
        "log_probabilities": np.log(np.full((3, 2), 0.5, np.float32)),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with zipfile.ZipFile(buffer) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def _predictions(rng: Random, user: Path) -> Case:
    members = dict(_saved("x"))
    about = "nothing"
    if rng.random() < 0.7:
        about = rng.choice(sorted(members))
        array = np.load(io.BytesIO(members[about]))
        buffer = io.BytesIO()
        kind = rng.randrange(4)
        changed = (
            array.astype(rng.choice(("f4", "i1", "U5", "?", "c8"))) if kind == 0 and array.dtype.kind in "if"
            else array.reshape(-1)[: rng.randrange(3)] if kind == 1
            else np.array(rng.choice(("{}", "[]", "null", '{"dataset": 1}', str(array).replace('"d"',
            "7").replace("3", '"x"'))))
        )  # fmt: skip
        np.save(buffer, changed)
        members[about] = mutations.damaged(rng, members[about]) if kind == 3 else buffer.getvalue()
    path = user / "d-test.npz"
    with zipfile.ZipFile(path, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    if rng.random() < 0.4:
        path.write_bytes(mutations.damaged(rng, path.read_bytes()))

    def run():
        read_arrays(path)
        read = predictions.read(path)
        assert len(read.labels) == len(read.log_probabilities)
        read.predicted.sum()

    return Case(run, user, about=about)
