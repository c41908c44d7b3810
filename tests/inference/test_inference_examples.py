"""The examples in docstrings and in the documentation run as they are printed."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from untrained import write_run

from ferjax.deploy import stablehlo
from ferjax.explain import methods
from ferjax.inference import bundle, classifier
from ferjax.inference.open_run import open_network

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def folder(tiny_registered, tmp_path_factory):
    """A folder with the run, the bundle and the pictures that the examples name."""
    place = tmp_path_factory.mktemp("examples")
    run = write_run(place / "runs" / "mine", data__name="toons/avataaars")
    network = open_network(run)
    (place / "handed").mkdir()
    bundle.write(network, "# Card", place / "handed" / "bundle")
    (place / "handed" / "network.stablehlo").write_bytes(stablehlo.export(network))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(place / "face.png")
    return place


@pytest.mark.parametrize("module", [bundle, classifier, methods])
def test_docstrings(module, folder, monkeypatch):
    monkeypatch.chdir(folder)
    result = doctest.testmod(module)
    assert result.attempted >= 4
    assert not result.failed


def blocks(page):
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "result", "shape"),
    [("explain.md", "heat", (1, 16, 16)), ("export.md", "probabilities", (2, 7))],
)
def test_pages(page, result, shape, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"faces": np.zeros((2, 16, 16, 3), np.uint8)}
    exec(blocks(page)[0], names)
    assert names[result].shape == shape


@pytest.mark.slow
def test_the_page_on_predictions(folder, astronaut, monkeypatch):
    monkeypatch.chdir(folder)
    Image.fromarray(astronaut).save("photo.jpg")
    names = {}
    exec(blocks("predict.md")[0], names)
    assert names["probabilities"].shape == (1, 7)
