"""What a machine lacks, in one line."""

import re

import jax
import numpy as np
import pytest

from ferjax.platform.failures import describe_failure


def test_too_little_memory():
    for error in (MemoryError(), np._core._exceptions._ArrayMemoryError((2**50,), np.dtype(float))):
        assert "too little memory" in describe_failure(error)
    line = describe_failure(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 57 bytes.\n at x"))
    assert line.startswith("this machine or device has too little memory (Out of memory allocating 57 bytes")
    assert "lower train.batch_size, eval.batch_size or data.image_size" in line
    assert len(line) <= 400


def test_other_errors_keep_their_traceback():
    assert describe_failure(RuntimeError("a bug")) is None


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (
            AssertionError(),
            "JAX finds no such device here, or its plug-in is not installed; unset it, or set",
        ),
        (
            RuntimeError(
                "Unable to initialize backend 'x': none. (set JAX_PLATFORMS='' to choose)" + "y" * 999
            ),
            r"here \(Unable to initialize backend 'x': none\); unset it, or set JAX_PLATFORMS=cpu",
        ),
        (RuntimeError("y" * 999), "unset it"),
    ],
)
def test_no_such_device(monkeypatch, raised, words):
    def devices():
        raise raised

    monkeypatch.setenv("JAX_PLATFORMS", "x")
    monkeypatch.setattr(jax, "devices", devices)
    line = describe_failure(raised)
    assert line.startswith("JAX_PLATFORMS=x: JAX finds no such device here")
    assert re.search(words, line)
    assert len(line) <= 400
