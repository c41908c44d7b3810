"""Weights of other programs: .safetensors, what PyTorch saves, and what only has such a name."""

import argparse
import collections
import functools
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from random import Random

import ml_dtypes
import numpy as np
import safetensors.numpy
import torch

from ferjax.interop.network_arrays import arrays_of
from ferjax.interop.torch_files import read_facts, read_state_dict
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import import_state_dict
from fuzz import mutations
from fuzz.case import Case

_NAME = "fer_cnn"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pkl", ".t7", ".pth.tar", ".PTH", "")
_WRAPPERS = ("state_dict", "net", "model", "params", "model_state", "weight", "ema", "x")
_PREFIXES = ("module.", "_orig_mod.", "module._orig_mod.", "model.", "backbone.", "x.y.")


class _Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a file of weights was run')",)


@functools.cache
def _state() -> dict[str, np.ndarray]:
    """A whole state dict; tiny images keep it small."""
    described = arrays_of(_NAME, network(_NAME)._replace(image_size=16), 7, {})
    return {key: np.full(one.torch_shape, 0.01, np.float32) for key, one in described.items()}


def make(rng: Random, folder: Path) -> Case:
    """One file."""
    user = folder / "user"
    user.mkdir()
    state = dict(
        _state() if rng.random() < 0.3 else {"a.weight": np.ones((2, 3), np.float32), "b": np.array(5)}
    )
    about = _spoil(rng, state)
    content = rng.choice((_safetensors, _pickled, _pickled, _old_pickled, _plain_pickle))(rng, state)
    if rng.random() < 0.5:
        content = mutations.damaged(rng, content)
    path = user / f"weights{rng.choice(_SUFFIXES)}"
    path.write_bytes(content)

    def run():
        read_facts(path)
        import_state_dict(_NAME, read_state_dict(path), head=rng.choice(("strict", "fit", "new")))

    return Case(run, user, about=f"{about} {path.suffix} {content[:120]!r}")


def _spoil(rng: Random, state: dict) -> str:
    key = rng.choice(sorted(state))
    kind = rng.randrange(9)
    if kind == 0:
        del state[key]
    elif kind == 1:
        state[mutations.text(rng)[:500]] = np.zeros((1,), np.float32)
    elif kind == 2:
        state[key] = np.full(state[key].shape, rng.choice((np.nan, np.inf, -0.0)), np.float64)
    elif kind == 3:
        state[key] = state[key].reshape(-1)[:1]
    elif kind == 4:
        state[key] = state[key].astype(rng.choice(("i8", "f2", "u1", "?", ml_dtypes.bfloat16)))
    elif kind == 5:
        state[key] = np.zeros((0, *state[key].shape), np.float32)
    elif kind == 6:
        prefix = rng.choice(_PREFIXES)
        for name in list(state):
            state[prefix + name] = state.pop(name)
    return f"{kind} of {key}"


def _safetensors(rng: Random, state: dict) -> bytes:
    content = safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in state.items()})
    if rng.random() < 0.5:
        size = struct.unpack("<Q", content[:8])[0]
        header = json.dumps(mutations.changed_json(rng, json.loads(content[8 : 8 + size]))).encode()
        content = (
            struct.pack("<Q", rng.choice((len(header), len(header), size, 2**40)))
            + header
            + content[8 + size :]
        )
    return content


def _content(rng: Random, state: dict) -> object:
    tensors: object = {
        key: torch.from_numpy(value)
        if value.dtype != ml_dtypes.bfloat16
        else torch.ones(value.shape, dtype=torch.bfloat16)
        for key, value in state.items()
    }
    if rng.random() < 0.2:
        tensors["odd"] = rng.choice(
            (torch.empty(3, device="meta"), torch.zeros(2, dtype=torch.float8_e5m2),
            torch.eye(2).to_sparse(), None, 1,  torch.ones(3)[::2],
             torch.nn.Linear(1, 1))
        )  # fmt: skip
    if rng.random() < 0.2:
        tensors = collections.OrderedDict(tensors)
    if rng.random() < 0.5:
        tensors = {rng.choice(_WRAPPERS): tensors, "epoch": mutations.value(rng)}
    if rng.random() < 0.3:
        tensors = {
            "args": rng.choice(
                (argparse.Namespace(lr=1), np.float64(1), _Bomb(), [_Bomb()], collections.Counter("a"))
            ),
            "x": tensors,
        }
    return rng.choice((tensors, tensors, tensors, [tensors], (tensors, tensors), mutations.value(rng)))


def _pickled(rng: Random, state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save(_content(rng, state), buffer)
    if rng.random() < 0.3:
        return _repacked(rng, buffer.getvalue())
    return buffer.getvalue()


def _old_pickled(rng: Random, state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save(_content(rng, state), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _plain_pickle(rng: Random, state: dict) -> bytes:
    if rng.random() < 0.3:
        return bytes(
            rng.choice(b"()]}.KMNJ0RbcXqrhjtu2e\x80\x85\x86\x87\x8c\x93\x94aos")
            for _ in range(rng.randrange(60))
        )
    return pickle.dumps({**state, "x": rng.choice((1, _Bomb(), "x"))}, protocol=rng.randint(0, 5))


def _repacked(rng: Random, content: bytes) -> bytes:
    """Writes the .zip of PyTorch again with one member changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            member = old.read(name)
            if name == chosen:
                if rng.random() < 0.2:
                    continue
                member = mutations.damaged(rng, member)
            kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            new.writestr(name if rng.random() < 0.95 else f"../{name}", member, kind)
    return buffer.getvalue()
