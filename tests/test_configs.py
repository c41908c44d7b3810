"""Every recipe in configs/ is whole, and takes two steps."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ferjax.config import validate
from ferjax.data.sources import MemorySource
from ferjax.distributed import global_batch, make_mesh
from ferjax.setup import assemble

RECIPES = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.py"))


def recipe(name: str, argument: str = ""):
    return importlib.import_module(f"configs.{name}").get_config(argument)


@pytest.mark.parametrize("argument", ["", "toons/open_peeps", "fer2013", "fer2013,train.seed=3"])
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid(name, argument):
    validate(recipe(name, argument))


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["", "fer2013"])
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_takes_two_steps(name, argument):
    config = recipe(name, argument)
    config.data.image_size = 16
    config.train.batch_size = 8
    rng = np.random.default_rng(0)
    source = MemorySource(
        rng.integers(0, 256, (16, 16, 16, 3), np.uint8),
        rng.integers(0, 7, 16).astype(np.int32),
        label_names=tuple("abcdefg"),
        name="noise",
        split="train",
    )
    mesh = make_mesh(config.mesh)
    parts = assemble(config, source, mesh)
    state = parts.init()
    for step in range(2):
        batch = source.take(np.arange(8) + 8 * step)
        state, sums = parts.train_step(state, global_batch(batch, mesh))
        assert np.isfinite(float(sums["loss"]))
    assert int(state.step) == 2
