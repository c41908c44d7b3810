"""Every recipe in configs/ is whole, and its training steps can be traced; some take two."""

import importlib
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import fer2013_ideas, fer2013_methods, fer2013_recipes
from benchmarks import recipes as benchmark
from ferjax.cluster.mesh import global_batch, make_mesh
from ferjax.config import is_pretraining, validate
from ferjax.data.memory_source import MemorySource
from ferjax.registry import NETWORKS
from ferjax.training.setup import assemble
from ferjax.tune.space import with_values

RECIPES = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.py"))
# These take steps here, a convolutional network and a transformer; the others in `make test-all`.
TAKE_STEPS = ("fer_cnn", "vit_tiny48")


def recipe(name: str, argument: str = ""):
    return importlib.import_module(f"configs.{name}").get_config(argument)


@pytest.mark.parametrize("argument", ["", "toons/open_peeps", "fer2013", "fer2013,train.seed=3"])
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid(name, argument):
    validate(recipe(name, argument))


def test_the_table_of_results_has_every_recipe_and_begins_with_weights_that_it_has():
    files = {file.partition(":")[0].removesuffix(".py") for file, *_ in benchmark.RECIPES.values()}
    # Pre-training without labels has no row of scores, see benchmarks/pretraining_gain.py.
    assert files == {name for name in RECIPES if not is_pretraining(recipe(name))}
    earlier: set[str] = set()
    for name, (_, *flags) in benchmark.RECIPES.items():
        sources = [flag.rpartition("/")[2] for flag in flags if "init.from" in flag]
        assert earlier.issuperset(sources)
        earlier.add(name)


@pytest.mark.parametrize(
    ("script", "name"),
    [
        *((fer2013_recipes, name) for name in fer2013_recipes.RECIPES),
        *((fer2013_methods, name) for name in fer2013_methods.RUNS),
    ],
)
def test_the_flags_of_a_run_on_fer2013_name_fields_of_its_recipe(script, name, tmp_path):
    config, flags = None, []
    for word in script.command(name, 2, tmp_path, "built"):
        if word.startswith("--config="):
            file, _, argument = word.removeprefix("--config=").partition(":")
            config = recipe(file, argument)
        elif word.startswith("--config."):
            flags.append(word.removeprefix("--config.").partition("="))
    for field, _, value in flags:
        group, _, key = field.partition(".")
        kind = type(config[group][key])
        config.update_from_flattened_dict({field: value == "True" if kind is bool else kind(value)})
    validate(config)
    assert config.train.epochs == 2
    assert config.data.name == "fer2013"
    assert config.data.drop_leaks
    assert config.data.drop_validation_leaks
    assert config.eval.also_best_on_test


@pytest.mark.parametrize("changes", fer2013_ideas.IDEAS.values(), ids=fer2013_ideas.IDEAS)
def test_an_idea_for_fer2013_changes_what_it_says_and_can_be_trained(changes):
    plain = fer2013_ideas.configuration("built", 2.0)
    changed = with_values(plain, changes)
    validate(changed)
    assert changed.data.drop_leaks
    before, after = plain.to_dict(), changed.to_dict()
    different = {
        f"{group}.{key}"
        for group, fields in after.items()
        if isinstance(fields, dict)
        for key, value in fields.items()
        if before[group][key] != value
    }
    assert different == {*changes}


@pytest.mark.parametrize("argument", ["toons", "toons,recipe=probe", "fer2013", "fer2013,recipe=probe"])
@pytest.mark.parametrize("name", ["vit_tiny48", "vit_s16"])
def test_training_goes_on_with_the_network_that_was_pre_trained_without_labels(name, argument):
    options = dict(recipe(name, argument).model)
    before = dict(recipe(f"mae_{name}", argument.partition(",")[0]).model)
    # Neither shapes weights: one is of the training, one of how it begins.
    for changed in (options, before):
        changed.pop("drop_path", None)
        changed.pop("initial", None)
    assert options == before


def small(name: str, argument: str = ""):
    """The recipe on images, widths and batches that a test can afford, and some noise to train on."""
    config = recipe(name, argument)
    smallest = config.model.get("patch", NETWORKS.find(config.model.name).facts.smallest)
    size = -(-32 // smallest) * smallest  # some networks take only multiples of it
    config.data.update(image_size=size, source_size=0)
    config.train.batch_size = 8
    for family, depth in (("vit", 2), ("efficientnet", 0.5)):
        if config.model.name.startswith(family):
            with config.model.unlocked():
                config.model.depth = depth
    for option in {"hidden", "width"} & set(config.model):
        config.model[option] = 16
    rng = np.random.default_rng(0)
    source = MemorySource(
        rng.integers(0, 256, (16, size, size, 3), np.uint8),
        rng.integers(0, 7, 16).astype(np.int32),
        label_names=tuple("abcdefg"),
        name="noise",
        split="train",
    )
    return config, source


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [name if name in TAKE_STEPS else pytest.param(name, marks=pytest.mark.relative) for name in RECIPES],
)
def test_recipe_takes_two_steps(name, few_blocks):
    config, source = small(name)
    mesh = make_mesh(config.mesh)
    parts = assemble(config, source, mesh)
    state = parts.init(np.uint32(config.train.seed))
    for step in range(2):
        batch = source.take(np.arange(8) + 8 * step)
        state, sums = parts.train_steps[0](state, global_batch(batch, mesh))
        assert np.isfinite(float(sums["loss"]))
    assert int(state.step) == 2


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["", "fer2013"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_stage_of_a_recipe_is_a_step(name, argument):
    config, source = small(name, argument)
    parts = assemble(config, source, make_mesh(config.mesh))
    for train_step in parts.train_steps:
        state, sums = jax.eval_shape(train_step, parts.like, source.take(np.arange(8)))
        assert jax.tree.structure(state) == jax.tree.structure(parts.like)
        assert sums["loss"].shape == ()
