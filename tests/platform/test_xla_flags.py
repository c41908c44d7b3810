"""Convolutions on a CPU stay with Eigen, where that was tried, and what the user chose stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ferjax.platform import xla_flags

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os
from ferjax.platform import process
if {prepared}:
    process.prepare()
import jax, jax.numpy as jnp
images, kernel = jnp.ones((2, 16, 16, 32)), jnp.ones((3, 3, 32, 32))
convolve = jax.jit(lambda x, k: jax.lax.conv_general_dilated(
    x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
print("ynn_fusion" in convolve.lower(images, kernel).compile().as_text())
"""


@pytest.fixture
def tried(monkeypatch):
    monkeypatch.setattr(
        xla_flags.metadata, "version", lambda package: {"jaxlib": xla_flags.TRIED[0]}[package]
    )


def test_other_flags_stay(tried):
    environ = {"XLA_FLAGS": "--xla_dump_to=/nowhere"}
    xla_flags.keep_convolutions(environ)
    given, ours = environ["XLA_FLAGS"].split()
    assert given == "--xla_dump_to=/nowhere"
    assert ours.startswith(f"{xla_flags.FLAG}=")
    once = dict(environ)
    xla_flags.keep_convolutions(environ)
    assert environ == once


def test_what_the_user_chose_stands(tried):
    environ = {"XLA_FLAGS": f"{xla_flags.FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    chosen = dict(environ)
    xla_flags.keep_convolutions(environ)
    assert environ == chosen


def test_the_flag_was_tried_with_every_pinned_version():
    pinned = re.findall(r"^jaxlib==(\S+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    assert pinned
    assert {*pinned} <= {*xla_flags.TRIED}


def test_a_version_that_might_not_know_the_flag_is_not_given_it(monkeypatch):
    monkeypatch.setattr(xla_flags.metadata, "version", lambda package: "99.0")
    environ = {}
    xla_flags.keep_convolutions(environ)
    assert environ == {}


@pytest.mark.skipif(xla_flags.metadata.version("jaxlib") not in xla_flags.TRIED, reason="left to XLA there")
@pytest.mark.parametrize("prepared", [True, False])
def test_a_prepared_process_compiles_convolutions_without_ynnpack(prepared):
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("XLA_", "JAX_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(prepared=prepared)],
        env={**environ, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(not prepared)
