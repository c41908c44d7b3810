"""A bundle never makes ferjax import code, unless the user has named that very code as trusted."""

import hashlib
import json
import shutil
import sys

import jax
import numpy as np
import pytest
import tiny
from networks import pictures, trained_network
from untrained import write_run

from ferjax.errors import UserError
from ferjax.files import read_json, write_json_atomic
from ferjax.inference import bundle
from ferjax.inference.classifier import Classifier
from ferjax.inference.open_run import open_network
from ferjax.inference.trusted_code import VARIABLE, check_trusted

NETWORK = "my_networks:Net"
MODULE = """
import flax.linen as nn
from ferjax.layers.linear import Linear


class Net(nn.Module):
    num_classes: int = 7
    dropout: float = 0.0  # this and the next: the options in the tiny config, which the run has
    norm: bool = True
    dtype: object = None

    @nn.compact
    def __call__(self, images, train=False):
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(images.mean((1, 2)))
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A module of the user's own that can be imported, and is not yet."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield
    sys.modules.pop("my_networks", None)


@pytest.fixture(scope="module")
def good_bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "bundle"
    with tiny.registered():
        bundle.write(trained_network(), "# Card", path)
    return path


def changed(good, folder, field, value):
    """A copy of a bundle with another value in its config, and a manifest that fits it."""
    path = shutil.copytree(good, folder / "bundle")
    config = read_json(path / "config.json")
    *groups, last = field.split(".")
    group = config
    for name in groups:
        group = group.setdefault(name, {})
    group[last] = value
    write_json_atomic(path / "config.json", config)
    content = (path / "config.json").read_bytes()
    manifest = read_json(path / "manifest.json")
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"]["config.json"] = {"bytes": len(content), "sha256": digest}
    write_json_atomic(path / "manifest.json", manifest)
    return path


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize(
    "field",
    [
        "model.name",
        "model.backbone",
        "data.name",
        "loss.name",
        "optimizer.name",
        "schedule.name",
        "new.field",
    ],
)
def test_no_field_of_a_bundle_imports_code(good_bundle, tmp_path, own_code, field, as_zip):
    path = changed(good_bundle, tmp_path, field, NETWORK)
    if as_zip:
        path = shutil.make_archive(tmp_path / "again", "zip", path)
    with pytest.raises(UserError) as caught:
        open_network(path)
    assert f"names code outside ferjax, {field}={NETWORK}" in str(caught.value)
    assert f"set the environment variable {VARIABLE}={NETWORK}" in str(caught.value)
    assert len(str(caught.value)) <= 400 + len(str(path))
    assert "\n" not in str(caught.value)
    assert "my_networks" not in sys.modules


@pytest.mark.parametrize("value", [f"gamma=0.5,{NETWORK}=0.5", f"{NETWORK}=1", [NETWORK], NETWORK])
def test_augmentations_are_names_with_strengths(value, tmp_path, monkeypatch):
    config = {"augment": {"extra": value}}
    with pytest.raises(UserError, match=r"augment\.extra=my_networks:Net, and"):
        check_trusted(config, tmp_path)
    monkeypatch.setenv(VARIABLE, NETWORK)
    check_trusted(config, tmp_path)


@pytest.mark.parametrize(
    ("trusted", "allowed"),
    [
        ("my_networks:Net", True),
        (" other.module:Thing , my_networks:Net ", True),
        ("", False),
        ("my_networks", False),
        ("my_networks:", False),
        ("my_networks:Net2", False),
        ("my_networks:net", False),
        ("*", False),
        ("my_networks:*", False),
    ],
)
def test_trust_is_an_exact_match(monkeypatch, tmp_path, trusted, allowed):
    monkeypatch.setenv(VARIABLE, trusted)
    config = {"model": {"name": NETWORK}}
    if allowed:
        check_trusted(config, tmp_path)
    else:
        with pytest.raises(UserError, match=VARIABLE):
            check_trusted(config, tmp_path)


def test_text_that_is_never_looked_up_may_hold_colons(tmp_path):
    config = {
        "data": {"dir": "gs://bucket/data", "fold": "subject:7", "name": "fer2013"},
        "init": {"from": "C:/runs/mine", "freeze": "(?:conv|bn)", "new": "(?:fc)"},
        "loss": {"l2": "fc1/kernel:0.001,fc2/kernel:0.01"},
        "stages": {"stage1": {"freeze": "(?:conv)", "auxiliary_losses": "(?:a|b)"}},
        "model": {"name": "resnet18", "depths": [1, 2], "dropout": 0.5},
    }
    check_trusted(config, tmp_path)
    check_trusted([1], tmp_path)  # no config: refused by the check that comes next


def test_deep_nesting_hides_nothing(tmp_path):
    deep = NETWORK
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UserError, match=VARIABLE):
        check_trusted({"model": {"name": deep}}, tmp_path)


def test_a_hostile_name_stays_on_one_line(tmp_path):
    with pytest.raises(UserError) as caught:
        check_trusted({"model": {"name": "a\n\x1b[31m:" + "b" * 9999}}, tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 400 + len(str(tmp_path))


def test_a_run_may_name_code_and_its_bundle_loads_where_that_is_trusted(tmp_path, own_code, monkeypatch):
    run = write_run(tmp_path / "run", model__name=NETWORK, data__name="toons/avataaars")
    network = open_network(run)
    bundle.write(network, "# Card", tmp_path / "bundle.zip")
    with pytest.raises(UserError, match=VARIABLE):
        bundle.read(tmp_path / "bundle.zip")
    monkeypatch.setenv(VARIABLE, NETWORK)
    read = bundle.read(tmp_path / "bundle.zip")
    jax.tree.map(np.testing.assert_array_equal, read.variables, network.variables)
    images = pictures(3, 16)
    np.testing.assert_array_equal(
        Classifier.of(read).probabilities(images), Classifier.of(network).probabilities(images)
    )
    assert json.loads((run / "config.json").read_text())["model"]["name"] == NETWORK
