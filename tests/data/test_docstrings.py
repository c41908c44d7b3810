import doctest

import pytest

from ferjax.data import label_spaces, loading, splits


@pytest.mark.parametrize("module", [label_spaces, loading, splits])
def test_the_examples_in_docstrings(module, tiny_run, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny_run.data))
    outcome = doctest.testmod(module)
    assert outcome.failed == 0 < outcome.attempted
