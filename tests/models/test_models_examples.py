"""Examples in the docstrings of functions that users call from Python."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module", ["ferjax.models", "ferjax.augment.extra", "ferjax.augment.normalisation",
               "ferjax.layers.spatial_transformer"]
)  # fmt: skip
def test_examples_give_what_they_show(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
