"""Training with all augmentation, larger sources and the disk cache, and the checks of their fields."""

import json

import pytest
import tiny

from ferjax.config import validate
from ferjax.errors import UserError
from ferjax.training.loop import train_and_evaluate

EVERYTHING = {
    "flip": True, "rotate": 20.0, "translate": 0.1, "scale": 0.1, "shear": 5.0, "random_crop": 0.1,
    "elastic": 0.02, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05, "grey": 0.1,
    "erase": 0.2, "mixup": 0.4, "cutmix": 1.0, "randaugment": 2,
    "extra": "gaussian_noise=0.05,gamma=0.3",
}  # fmt: skip


@pytest.mark.slow
def test_everything_on_trains_the_same_from_disk_and_from_memory(tiny_run, tiny_model, tmp_path):
    fields = {f"augment__{name}": value for name, value in EVERYTHING.items()}
    fields |= {"data__source_size": 20, "eval__crops": "ten", "train__max_steps": 2}
    results = []
    for cache in ("disk", "memory"):
        train_and_evaluate(tiny_run.config(data__cache=cache, **fields), tmp_path / cache)
        results.append(tiny.result(tmp_path / cache))
        assert json.loads((tmp_path / cache / "config.json").read_text())["data"]["cache"] == cache
    assert results[0] == results[1]
    assert tiny.steady(tiny.rows(tmp_path / "disk")) == tiny.steady(tiny.rows(tmp_path / "memory"))
    losses = [row["loss"] for row in tiny.rows(tmp_path / "disk") if row["split"] == "train"]
    assert all(0 < loss < 10 for loss in losses)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"augment__rotate": 200.0}, "augment.rotate is 200.0; it must be at least 0 and at most 180"),
        ({"augment__rotate": -1.0}, "augment.rotate is -1.0"),
        ({"augment__shear": 80.0}, "at most 60"),
        ({"augment__hue": 0.6}, "at most 0.5"),
        ({"augment__erase": 1.1}, "augment.erase is 1.1; it must be at least 0 and at most 1"),
        ({"augment__scale": 1.0}, "augment.scale is 1.0; it must be at least 0 and below 1"),
        ({"augment__mixup": -0.1}, "augment.mixup is -0.1; it must be at least 0"),
        ({"augment__elastic": float("nan")}, "augment.elastic is nan"),
        ({"data__source_size": 16}, "data.source_size 16 must be above data.image_size 16"),
        ({"eval__crops": "five"}, "eval.crops=five cuts crops: set data.source_size"),
        ({"eval__crops": "six"}, "it takes none, flip, five, ten"),
        ({"augment__extra": "gama=1"}, "unknown augmentation 'gama'; the nearest are gamma"),
        ({"augment__extra": "gamma=0"}, "in augment.extra, 'gamma=0' is not NAME=STRENGTH"),
        ({"augment__randaugment": -1}, "augment.randaugment is -1; it must be at least 0"),
        ({"augment__randaugment_magnitude": 11.0}, "it must be at least 0 and at most 10"),
        ({"data__train_fraction": 0.0}, "data.train_fraction is 0.0; it must be above 0 and at most 1"),
        ({"data__cache": "disc"}, "did you mean disk"),
        ({"data__cache": "disk", "data__workers": 1}, "set data.cache=stream or data.workers=0"),
    ],
)
def test_fields_that_cannot_be_right(tiny_model, fields, words):
    with pytest.raises(UserError) as told:
        validate(tiny.tiny_configuration(**fields))
    assert words in str(told.value)
