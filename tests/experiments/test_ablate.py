"""The command's table, its claims, and that finished runs are read."""

import json

import flax.linen as nn
import pytest
import tiny
from flax.typing import Dtype
from jax import Array
from ml_collections import ConfigDict

from configs.resemotenet import get_config
from ferjax.errors import UserError
from ferjax.experiments.ablate import FILE, VARIANTS, ablate, parameters, table, variant_config
from ferjax.experiments.runs import Runner
from ferjax.registry import NETWORKS


class Small(nn.Module):
    """Takes ResEmoteNet's place: the tiny network, whose normalisation stands for the SE block."""

    num_classes: int = 7
    without: str = ""
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        norm = "se" not in self.without
        return tiny.TinyNet(self.num_classes, norm=norm, dtype=self.dtype, name="net")(images, train)


def small_config(tiny_run):
    config = tiny_run.config(train__max_steps=2)
    config.model = ConfigDict({"name": "resemotenet"})
    return config


@pytest.fixture
def small():
    with NETWORKS.replaced("resemotenet", Small, tiny.FACTS):
        yield


@pytest.mark.slow
def test_variants_are_trained_once(tiny_run, small, tmp_path):
    config = small_config(tiny_run)
    first = Runner()
    found = ablate(config, ["C1", "C2"], tmp_path, runner=first)
    assert first.prepared == 2
    assert found == json.loads((tmp_path / FILE).read_text())
    assert found["seeds"] == [0]
    assert found["variants"]["C1"]["parameters"] == found["variants"]["C2"]["parameters"] + 16
    for name, variant in found["variants"].items():
        test = json.loads((tmp_path / name / "seed-0" / "result.json").read_text())["test"]
        assert (variant["accuracy"], variant["loss"]) == ([test["accuracy"]], [test["loss"]])
    second = Runner()
    assert ablate(config, ["C1", "C2"], tmp_path, runner=second) == found
    assert second.prepared == 0


def found_of(seeds):
    variants = {
        name: {
            "without": VARIANTS[name].without,
            "parameters": 80_000_000 - number,
            "accuracy": [0.9 - 0.1 * number - 0.01 * step for step in range(len(seeds))],
            "loss": [0.25 + number for _ in seeds],
            "seconds": 30.0,
            "claimed": {"accuracy": VARIANTS[name].accuracy / 100, "loss": VARIANTS[name].loss / 100},
        }
        for number, name in enumerate(("C1", "C5"))
    }
    return {"dataset": "toons/avataaars", "seeds": seeds, "seconds": 60.0, "variants": variants}


def cells(text, name):
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_our_numbers_stand_beside_the_claims():
    text = table(found_of([3]))
    assert "seed 3" in text
    assert cells(text, "C5") == [
        "C5", "rb256", "79,999,999", "80.00%", "−10.00", "1.250", "75.39%", "10.20%"
    ]  # fmt: skip
    assert cells(text, "C1")[1:5] == ["nothing", "80,000,000", "90.00%", "0.00"]
    assert "did not reproduce" in text


def test_several_seeds_have_an_interval():
    text = table(found_of([0, 1, 2]))
    # Student's t with two degrees of freedom: 4.303 · 0.01 / √3.
    assert cells(text, "C5")[3] == "79.00% ± 2.48"
    assert "seeds 0 to 2, 95% (Student)" in text


def test_the_claims_are_those_of_table_iv():
    assert {name: (row.accuracy, row.loss) for name, row in VARIANTS.items()} == {
        "C1": (94.76, 3.73), "C2": (94.18, 16.83), "C3": (83.51, 7.19),
        "C4": (88.27, 5.32), "C5": (75.39, 10.2), "C6": (82.77, 8.8),
    }  # fmt: skip


def test_a_variants_config_differs_in_the_network_only():
    config = get_config("rafdb")
    other = variant_config(config, "C6")
    assert other.model.without == "rb256,rb512"
    assert parameters(config, 7) == 80_238_599
    assert parameters(other, 7) < parameters(config, 7)
    other.model.without = config.model.without
    assert other == config


@pytest.mark.parametrize(
    ("names", "n", "fields", "message"),
    [
        (["C1", "C7"], 1, {}, "ablations are C1, C2, C3, C4, C5, C6, not C7"),
        ([], 1, {}, "not none of them"),
        (["C1"], 0, {}, "at least one seed"),
        (["C1"], 1, {"model.name": "vgg16"}, "of the whole resemotenet.*not of vgg16"),
        (["C1"], 1, {"model.without": "se"}, "not of resemotenet without se"),
        (["C1", "C3"], 1, {"data.image_size": 4}, "at least 8×8"),
    ],
)
def test_what_cannot_be_ablated(tmp_path, names, n, fields, message):
    config = get_config()
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=message):
        ablate(config, names, tmp_path / "runs", n)
    assert not (tmp_path / "runs").exists()
