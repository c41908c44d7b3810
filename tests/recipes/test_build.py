"""What stands behind the colon of `--config=FILE:…` chooses the data set, the recipe and single fields."""

import importlib
from functools import partial

import pytest
from ml_collections import ConfigDict

from ferjax.config import defaults, validate
from ferjax.errors import UserError
from ferjax.recipes.build import build, toons
from ferjax.recipes.strong import strong


def built(argument: str) -> ConfigDict:
    def paper(config: ConfigDict) -> None:
        config.train.epochs = 7.0

    return build(
        argument,
        model={"name": "se_resnet18"},
        toons=partial(toons, epochs=3.0, learning_rate=0.1),
        paper=paper,
        others={"other": lambda config: config.train.update(epochs=5.0)},
    )


@pytest.mark.parametrize(
    ("argument", "epochs"),
    [
        ("", 3.0),
        ("toons", 3.0),
        ("toons/open_peeps", 3.0),
        ("fer2013", 7.0),
        ("fer2013,recipe=paper", 7.0),
        ("fer2013,recipe=strong", 40.0),
        ("fer2013,recipe=other", 5.0),
        ("fer2013,train.epochs=2,recipe=strong", 2.0),
    ],
)
def test_data_set_and_recipe_choose_what_is_changed(argument, epochs):
    assert built(argument).train.epochs == epochs


def test_the_strong_recipe_is_the_same_for_every_network():
    expected = defaults()
    expected.data.name = "fer2013"
    expected.model.update(name="se_resnet18")
    strong(expected)
    assert built("fer2013,recipe=strong").to_dict() == expected.to_dict()


@pytest.mark.parametrize("recipe", ["vgg16", "resemotenet", "sdl", "attentional_cnn", "ran"])
def test_shipped_configs_take_the_strong_recipe(recipe):
    config = importlib.import_module(f"configs.{recipe}").get_config("fer2013,recipe=strong")
    validate(config)
    assert (config.data.image_size, config.train.batch_size) == (40, 128)


@pytest.mark.parametrize(
    ("recipe", "argument", "optimizer"),
    [
        ("poster_v2", "rafdb", "adamw"),
        ("poster_v2", "affectnet8", "adamw"),
        ("efficientnet_b0", "affectnet8", "adamw"),
        ("ddamfn", "rafdb,recipe=plus", "adamw"),
        ("ddamfn", "affectnet7,recipe=plus", "adamw"),
        ("ddamfn", "rafdb", "sgd"),
        ("dan", "rafdb", "sgd"),
    ],
)
def test_two_gradients_a_step_where_the_authors_take_them(recipe, argument, optimizer):
    config = importlib.import_module(f"configs.{recipe}").get_config(argument)
    validate(config)
    assert config.optimizer.name == optimizer
    assert config.optimizer.sam_rho == (0.05 if optimizer == "adamw" else 0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("fer2013,recipe=stong", "no recipe='stong'; take other or paper or strong"),
        ("fer2013,recipe=3", "no recipe=3; take other or paper or strong"),
        ("toons,recipe=strong", "is for photographs of 48×48 pixels, not for toons/avataaars"),
        ("recipe=strong", "is for photographs"),
        ("recipe=other", "recipe=other is for photographs, not for toons/avataaars"),
    ],
)
def test_a_recipe_that_does_not_fit_is_one_line(argument, message):
    with pytest.raises(UserError, match=message):
        built(argument)
