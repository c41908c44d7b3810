"""Values of config fields, as flags, as the argument behind a recipe's name, and as a stored config.json."""

import functools
import json
from pathlib import Path
from random import Random

import tiny
from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.config.options import model_options
from ferjax.runs.stored_config import completed
from ferjax.training import setup
from fuzz import mutations
from fuzz.case import Case

_NUMBERS = (
    0, 1, -1, 2, 3, 10**4, 10**5, 10**6, 10**9, 2**31, 2**63, 10**24, 0.0, 0.5, 1.0, -0.5, 1e-300, 1e308,
    float("inf"),
    float("nan"), 1e9, 2.5,
)  # fmt: skip


@functools.cache
def _fields() -> dict[str, object]:
    return dict(ferjax_config.flat(ferjax_config.defaults()))


def make(rng: Random, folder: Path) -> Case:
    """One to three fields that hold something else."""
    user = folder / "user"
    user.mkdir()
    return rng.choice((_flags, _flags, _argument, _stored))(rng, user)


def _drawn(rng: Random) -> tuple[str, object]:
    field = rng.choice(sorted(_fields()))
    if rng.random() < 0.1:
        field = rng.choice(
            (
                field[:-1],
                field.split(".")[0],
                field + ".x",
                "model.hidden",
                "model.features",
                mutations.text(rng),
            )
        )
    usual = _fields().get(field)
    if isinstance(usual, bool) or rng.random() < 0.15:
        return field, mutations.value(rng)
    if isinstance(usual, int | float):
        return field, type(usual)(rng.choice(_NUMBERS)) if usual.__class__ is float else rng.choice(_NUMBERS)
    return field, mutations.text(rng)


def _flags(rng: Random, user: Path) -> Case:
    changes = [_drawn(rng) for _ in range(rng.choice((1, 1, 2, 3)))]

    def run():
        config = tiny.tiny_configuration()
        for field, value in changes:
            ferjax_config.override(config, field, value)
        _check(config)

    return Case(run, user, about=repr(changes)[:300])


def _argument(rng: Random, user: Path) -> Case:
    parts = [f"{field}={value}" for field, value in (_drawn(rng) for _ in range(rng.choice((1, 2))))]
    text = ",".join([rng.choice(("fer2013", "", mutations.text(rng))), *parts])

    def run():
        dataset, changes = ferjax_config.split_argument(text, "fer2013")
        config = tiny.tiny_configuration(data__name=dataset)
        for field, value in changes.items():
            ferjax_config.override(config, field, value)
        _check(config)

    return Case(run, user, about=text[:300])


def _stored(rng: Random, user: Path) -> Case:
    content = mutations.changed_json(rng, json.loads(tiny.tiny_configuration().to_json()))
    path = user / "config.json"
    path.write_text(json.dumps(content))
    return Case(
        lambda: _check(completed(json.loads(path.read_text()), path)), user, about=repr(content)[:2000]
    )


def _check(config: ConfigDict):
    """Does with a config what every run does first."""
    ferjax_config.validate(config)
    model_options(config)
    setup.create_model(config, 7)
