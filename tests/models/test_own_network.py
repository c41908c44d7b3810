"""A network of the user's own, named `package.module:Class`: how it is loaded, and what is wrong with one."""

import json
import subprocess
import sys

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny

from ferjax import models
from ferjax.errors import UserError
from ferjax.registry import NETWORKS
from ferjax.training import setup

FILE = '''
import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype

from ferjax.errors import UserError
from ferjax.registry import network


class Mean(nn.Module):
    """One linear layer on the mean colour."""

    num_classes: int = 7
    width: int = 4
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images, train=False):
        x = nn.Dense(self.width, name="hidden")(images.mean(axis=(1, 2)))
        return nn.Dense(self.num_classes, name="head")(x)


@network("known_mean", smallest=1, usual=48, source="Me (2026)", width=2)
class Known(Mean):
    pass


class Maps(Mean):
    @nn.compact
    def __call__(self, images, train=False):
        return nn.Dense(self.num_classes)(images)


class Large(Mean):
    @nn.compact
    def __call__(self, images, train=False):
        if images.shape[1] < 100:
            raise UserError("Large takes images of at least 100×100")
        return super().__call__(images)


class Broken(Mean):
    def __call__(self, images, train=False):
        return images.reshape(7, -1) @ jnp.zeros((3, 7))


class NoTrain(Mean):
    @nn.compact
    def __call__(self, images):
        return nn.Dense(self.num_classes)(images.mean(axis=(1, 2)))


class NoClasses(nn.Module):
    width: int = 4

    def __call__(self, images, train=False):
        return images.mean(axis=(1, 2))


class NoDtype(nn.Module):
    num_classes: int = 7

    def __call__(self, images, train=False):
        return jnp.zeros((len(images), self.num_classes))


def function(num_classes=7):
    return Mean(num_classes)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module `own_network` in the current folder."""
    (tmp_path / "own_network.py").write_text(FILE)
    (tmp_path / "raising_network.py").write_text("raise ValueError('two\\nlines')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_network", raising=False)
    with NETWORKS.restored():
        yield


def config(name, **options):
    found = tiny.tiny_configuration()
    found.model = {"name": name, **options}
    return found


def test_a_class_is_loaded_by_its_path_with_its_options(own):
    model = setup.build_model(config("own_network:Mean", width=3), 5)
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 16, 16, 3), np.float32))
    assert variables["params"]["hidden"]["kernel"].shape == (3, 3)
    assert model.apply(variables, np.zeros((2, 16, 16, 3))).shape == (2, 5)
    assert NETWORKS.find("own_network:Mean").facts is None


def test_a_registered_class_is_known_by_both_names(own):
    assert "known_mean" not in models.names()
    assert models.create("own_network:Known", width=3).width == 3
    assert NETWORKS.find("own_network:Known").target.__name__ == "Known"
    assert models.create("known_mean").width == 2
    assert NETWORKS.find("known_mean").facts.usual == 48


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package:Net", "cannot import 'no_such_package' .*ModuleNotFoundError.*PYTHONPATH"),
        ("raising_network:Net", "cannot import 'raising_network' .*ValueError: two lines"),
        ("own_network:Maen", "own_network has no 'Maen' for model 'own_network:Maen'; it has Mean"),
        ("own_network:function", "'own_network:function' is not a class of Linen modules"),
        ("math:pi", "'math:pi' is not a class of Linen modules"),
        ("collections:OrderedDict", "is not a class of Linen modules"),
        (
            "own_network:NoClasses",
            "no attribute num_classes, the number of logits: add `num_classes: ",
        ),
        ("own_network:NoDtype", "no attribute dtype, .* add `dtype: "),
        ("own_network:Large", "^Large takes images of at least 100×100"),
        ("own_network:Broken", r"own_network:Broken cannot be called .* \(1, 16, 16, 3\): TypeError: "),
        (
            "own_network:NoTrain",
            "NoTrain cannot be called as module.images, train=False. .*train",
        ),
        (
            "own_network:Maps",
            r"own_network:Maps gives \(1, 16, 16, 5\) for images .*; it must give logits \(1, 5\)",
        ),
        ("own_netwrok", "unknown model 'own_netwrok'; the nearest are .*package.module:Object"),
    ],
)
def test_wrong_classes_are_refused_in_one_line(own, name, message):
    with pytest.raises(UserError, match=message) as error:
        setup.build_model(config(name), 5)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= 400


def test_an_option_that_it_has_not_is_named(own):
    with pytest.raises(UserError, match=r"own_network:Mean has no option 'depth'; it has dtype, width$"):
        models.create("own_network:Mean", depth=3)


def test_an_error_in_ferjaxs_own_network_keeps_its_traceback(monkeypatch):
    model = models.create("fer_cnn")

    def broken(*_, **__):
        raise TypeError("a bug")

    monkeypatch.setattr(nn, "relu", broken)
    with pytest.raises(TypeError, match="a bug"):
        models.initial_shapes(model, (16, 16, 3))


RECIPE = """
from ferjax import config as ferjax_config


def get_config():
    config = ferjax_config.defaults()
    config.data.update(name="fer2013", image_size=16)
    config.train.update(batch_size=16, max_steps=2)
    config.model = {"name": "own_network:Mean", "width": 3}
    return config
"""


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ferjax", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_it_is_trained_and_evaluated_from_the_current_folder(tiny_run, own, tmp_path):
    (tmp_path / "recipe.py").write_text(RECIPE)
    train = ("train", "--config=recipe.py", f"--config.data.dir={tiny_run.data}", "--noreport")
    done = command(*train, "--workdir=run")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "result.json").read_text())["steps"] == 2
    done = command("evaluate", "--workdir=run")
    assert done.returncode == 0, done.stderr
    assert "own_network:Mean of run" in done.stdout
    done = command(*train, "--workdir=bad", "--config.model.name=own_network:Nothing")
    assert "own_network has no 'Nothing'" in tiny.only_line(done)
    assert not (tmp_path / "bad").exists()
