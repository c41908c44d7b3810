"""Every input is taken, or refused in one line; nothing hangs, and nothing of the user's is lost.

A failure names the kind and the seed: `FUZZ=folders:17 pytest tests/fuzz` makes that input again.
"""

import os
import shutil
from random import Random

import pytest

from fuzz import (
    arguments,
    arrays,
    built_sets,
    bundles,
    config_values,
    folders,
    judge,
    named_sets,
    pictures,
    relabelling,
    tables,
    weights,
    workdirs,
)

# Kind → what makes one input, inputs of the short form, inputs of the long one.
KINDS = {
    "arguments": (arguments, 40, 500),
    "arrays": (arrays, 40, 600),
    "built_sets": (built_sets, 10, 300),
    "bundles": (bundles, 20, 500),
    "config_values": (config_values, 40, 700),
    "folders": (folders, 25, 600),
    "named_sets": (named_sets, 25, 600),
    "pictures": (pictures, 40, 700),
    "relabelling": (relabelling, 40, 500),
    "tables": (tables, 20, 500),
    "weights": (weights, 30, 600),
    "workdirs": (workdirs, 20, 500),
}
PIECE = 100  # inputs of one test of the long form
AGAIN = os.environ.get("FUZZ", "")


def check(kind, numbers, folder):
    """Judges inputs by their seeds. `current` tells which one it was if the process dies."""
    faults = []
    for number in numbers:
        (folder / "current").write_text(f"{kind}:{number}")
        place = folder / f"{number}"
        place.mkdir()
        case = KINDS[kind][0].make(Random(f"{kind}:{number}"), place)
        if problem := judge.fault(case):
            faults.append(f"FUZZ={kind}:{number}\n{problem}")
        shutil.rmtree(place)
    assert not faults, f"{len(faults)} faults\n\n" + "\n\n".join(faults)


@pytest.fixture(autouse=True)
def _known(tiny_model):
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_inputs(kind, tmp_path):
    if AGAIN:
        name, number = AGAIN.split(":")
        check(kind, [int(number)] if name == kind else [], tmp_path)
    else:
        check(kind, range(KINDS[kind][1]), tmp_path)


@pytest.mark.slow
@pytest.mark.relative
@pytest.mark.parametrize(
    ("kind", "first"),
    [(kind, first) for kind, (_, few, many) in KINDS.items() for first in range(few, many, PIECE)],
)
def test_many_inputs(kind, first, tmp_path):
    check(kind, range(first, min(first + PIECE, KINDS[kind][2])), tmp_path)


def test_the_long_form_makes_at_least_5000_inputs():
    assert sum(many for _, _, many in KINDS.values()) >= 5000
