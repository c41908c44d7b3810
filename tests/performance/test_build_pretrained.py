"""The shipped network out of a finished run: what the card and the record say is what was measured."""

import json
import shutil

import numpy as np
import pytest

from benchmarks import build_pretrained
from ferjax.errors import UserError
from ferjax.files import write_json_atomic
from ferjax.inference import bundle
from ferjax.inference.open_run import open_network
from ferjax.runs import predictions

LEVEL = 0.05  # an untrained network is hardly ever right
LAYER = "conv2"


@pytest.fixture(autouse=True)
def _known(tiny_model):
    pass


@pytest.fixture
def runs(never_killed, tmp_path):
    """A run, and one that is better on validation."""
    found = [shutil.copytree(never_killed, tmp_path / "runs" / name) for name in ("worse", "better")]
    result = json.loads((found[1] / "result.json").read_text())
    result["validation"]["accuracy"] += 0.1
    write_json_atomic(found[1] / "result.json", {**result, "seed": 5})
    return found


@pytest.mark.slow
def test_the_run_that_is_best_on_validation_is_shipped(runs, tmp_path):
    facts, first, second = build_pretrained.build(runs, tmp_path / "faces", LEVEL, LAYER)
    assert (first["seed"], second["seed"]) == (5, 0)
    read, run = bundle.read(tmp_path / "faces"), open_network(runs[1])
    assert read.temperature == run.temperature
    assert read.unsure._asdict() == facts["unsure"]
    assert (read.unlike.layer, read.unlike.kept) == (LAYER, 0.95)
    assert facts["bytes"] == sum(path.stat().st_size for path in (tmp_path / "faces").iterdir())

    # Rounding hardly moves a network: what the run stored of validation is what was measured.
    stored = predictions.read(predictions.place(runs[1], "fer2013", "validation", "npz"))
    assert facts["validation_images"] == len(stored.labels)
    assert facts["float32_accuracy"] == pytest.approx(stored.right.mean())
    assert facts["changed"] <= 1

    tested = predictions.read(predictions.place(runs[1], "fer2013", "test", "npz"))
    assert first["test_images"] == len(tested.labels)
    assert first["test_accuracy"] == pytest.approx(tested.right.mean())
    chances = np.exp(tested.log_probabilities / run.temperature)
    sure = (chances / chances.sum(-1, keepdims=True)).max(-1) >= read.unsure.below
    assert facts["unsure_on_test"]["coverage"] == pytest.approx(sure.mean())

    card = bundle.read_card(tmp_path / "faces")
    for words in ("Of 2 runs that differ in their seed", "rounded to float16", "Open Database licence"):
        assert words in card
    json.dumps([facts, first, second])


@pytest.mark.slow
def test_an_earlier_bundle_is_replaced_and_nothing_else(runs, tmp_path):
    unfinished = runs[0]
    (unfinished / "result.json").unlink()
    (facts,) = build_pretrained.build([unfinished], tmp_path / "faces", LEVEL, LAYER)
    assert "**Not measured**" in bundle.read_card(tmp_path / "faces")
    build_pretrained.build(runs[1:], tmp_path / "faces", LEVEL, LAYER)
    assert "**Not measured**" not in bundle.read_card(tmp_path / "faces")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UserError, match="is no bundle, and is not replaced"):
        build_pretrained.build(runs[1:], tmp_path / "pictures", LEVEL, LAYER)
    with pytest.raises(UserError, match="no threshold makes 101% of the answers"):
        build_pretrained.build(runs[1:], tmp_path / "faces", 1.01, LAYER)
    with pytest.raises(UserError, match="is not finished: it cannot be compared"):
        build_pretrained.build(runs, tmp_path / "faces", LEVEL, LAYER)
    with pytest.raises(
        UserError, match=r"tiny has no layer 'layer1_0' of .*; it has conv1, bn1, Dropout_0, conv2"
    ):
        build_pretrained.build(runs[1:], tmp_path / "faces", LEVEL, "layer1_0")
    assert facts["unsure_on_test"] is None
