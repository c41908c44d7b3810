"""A run with random weights, and a real photograph."""

import pytest
import tiny
from skimage import data
from untrained import write_run


@pytest.fixture(scope="module")
def tiny_registered():
    with tiny.registered():
        yield


@pytest.fixture(scope="module")
def colour_run(tiny_registered, tmp_path_factory):
    """A workdir of a network that was trained on colours."""
    return write_run(tmp_path_factory.mktemp("colour") / "run", data__name="toons/avataaars")


@pytest.fixture(scope="session")
def astronaut():
    """Eileen Collins, NASA, public domain: uint8 [512, 512, 3], one face."""
    return data.astronaut()
