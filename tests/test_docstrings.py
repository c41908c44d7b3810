"""The examples in docstrings print what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

import ferjax

ROOT = Path(ferjax.__file__).parent
# These examples need a trained network: `tests/inference/test_inference_examples.py` has one.
NEED_A_RUN = ("ferjax.explain.methods", "ferjax.inference.bundle", "ferjax.inference.classifier")
MODULES = sorted(
    ".".join(("ferjax", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def test_examples_are_found():
    assert len(MODULES) > len(NEED_A_RUN)
    assert set(NEED_A_RUN) < set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if name not in NEED_A_RUN])
def test_examples(name, tiny_run, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny_run.data))
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed
