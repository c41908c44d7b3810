"""Model cards tell what was measured, from the run's own numbers, and what was not."""

import datetime

import numpy as np
import pytest
from networks import trained_network
from results import result_of

from ferjax.data.labels import FER7
from ferjax.deploy.model_card import model_card
from ferjax.scores import groups
from ferjax.scores.conformal import Sets
from ferjax.scores.unsure import Unsure

MATRIX = np.diag([40, 8, 30, 90, 50, 40, 60])
MATRIX[1, 3] = 12  # disgust is taken for happy more often than not
MATRIX[4, 6] = 5


def finished(matrix=MATRIX, **changes):
    scores = {"loss": 0.3, "accuracy": 0.9, "mean_class_accuracy": 0.85, "macro_f1": 0.84}
    probabilities = {
        "roc_auc": 0.99, "average_precision": 0.95, "per_class": [], "calibration_error": 0.081,
        "temperature": 1.7, "calibration_error_scaled": 0.012, "intervals": {},
    }  # fmt: skip
    fields = {
        "model": "tiny", "dataset": "fer2013", "label_names": FER7, "best_step": 420, "steps": 600,
        "epochs": 6.0, "validation": scores, "test_loss": 0.4, "test_confusion": matrix, "seconds": 45.0,
        "images_per_second": 23.0, "data_wait_fraction": 0.0, "peak_memory_bytes": None,
        "device": {"platform": "gpu", "kind": "Some GPU", "count": 2, "processes": 1},
        "versions": {"ferjax": "0.1.0", "jax": "0.10.2", "flax": "0.12.8"},
        "date": datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC),
        "split_digests": {"train": "0123456789abcdef99", "test": "4567"}, "seed": 3,
        "probabilities": probabilities,
    }  # fmt: skip
    return result_of(**(fields | changes))


@pytest.fixture
def card(tiny_model):
    def write(result, by_group=None, **fields):
        return model_card(trained_network(**fields), result, by_group=by_group)

    return write


def test_it_tells_data_metrics_limits_and_intended_use(card):
    text = card(finished())
    for heading in ("Intended use", "What it is", "Data", "How good it is", "Limits", "How it was trained"):
        assert f"\n## {heading}\n" in text
    assert "FER2013, facial expressions from the web in seven classes." in text
    assert "train `0123456789abcdef`, test `4567`" in text
    assert "94.93%" in text  # 318 of 335
    assert "Not for decisions about people" in text
    assert "stretched to 16×16, uint8, grey" in text
    assert "2 × Some GPU" in text
    assert "… with temperature 1.70" in text


def test_its_numbers_are_the_networks(card):
    text = card(finished())
    # 3·3·3·8 + 8, two of batch normalisation, 3·3·8·16 + 16, 16·7 + 7
    assert "tiny, 1,527 parameters" in text
    rows = [line for line in text.splitlines() if line.startswith("| disgust")]
    assert [cell.strip() for cell in rows[0].split("|")[2:6]] == ["100.0", "40.0", "57.1", "20"]


def test_it_says_where_the_network_is_weak(card):
    text = card(finished())
    assert "Weakest class: 40% of disgust is recognised (95% interval 22% to 61%, 20 images)." in text
    assert "It takes disgust for happy (12 of 20), sad for neutral (5 of 55)." in text
    assert "Never tested" not in text
    absent = MATRIX.copy()
    absent[2] = 0
    assert "Never tested, because the test split has no image of: fear." in card(finished(absent))


def test_it_says_what_was_not_measured(card):
    assert "**Not measured**: the run is not finished" in card(None)
    assert "not calibrated" in card(None, temperature=None)
    assert "whether it is equally good for every age, gender and skin colour" in card(finished())
    assert "never seen a photograph" in card(finished(), data__name="toons/avataaars")
    assert "never seen a photograph" not in card(finished())
    plain = {key: value for key, value in finished().items() if key != "probabilities"}
    assert "calibration error" not in card(plain)


def test_no_path_of_the_machine_is_in_it(card):
    text = card(finished(), init__from="/home/me9/earlier", data__dir="/home/me9/data")
    assert "It began from the weights `earlier`." in text
    assert "me9" not in text


def test_images_that_were_trained_on_are_told(card):
    seen = {"images": 335, "train": 12, "validation": 0, "earlier": 0, "unchecked": []}
    assert "12 in the training data" in card(finished(overlap=seen))


def test_it_says_below_what_the_network_is_unsure(tiny_model):
    network = trained_network()._replace(unsure=Unsure(0.55, 0.801, 0.77))
    text = model_card(network, finished())
    assert "unsure of a face whose most likely class has less than 55%" in text
    assert "of the other faces there, 77% of all, 80% were right" in text
    assert "unsure" not in model_card(trained_network(), finished())


def test_images_that_were_left_out_are_told(card):
    told = "Left out: images of train whose exact pixels are also in validation or test"
    assert told in card(finished(), data__drop_leaks=True)
    assert told not in card(finished())


def test_a_note_stands_at_the_end_of_its_section(tiny_model):
    text = model_card(trained_network(), finished(), {"Data": "Of the web.", "How it was trained": "Slowly."})
    assert "Of the web.\n\n## How good it is\n" in text
    assert text.endswith("Slowly.\n")
    with pytest.raises(ValueError, match="Date"):
        model_card(trained_network(), finished(), {"Date": "today"})


def test_gaps_between_groups_are_limits(card):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, 600)
    people = np.repeat([0, 1], 300)
    logs = np.log(np.full((600, 7), 0.1) + 0.3 * np.eye(7)[np.where(people == 1, labels % 3, labels)])
    by_group = groups.measure(labels, logs, {"gender": (people, ("female", "male"))})
    text = card(finished(), by_group=by_group)
    assert "### By group" in text
    assert "It is not equally good for every gender: male has +" in text
    assert "whether it is equally good for every age and skin colour" in text


def test_it_says_how_sets_are_made(tiny_model):
    text = model_card(trained_network()._replace(sets=Sets(0.9, 0.07)), finished())
    assert "`predict` also names every class whose probability before calibration is at least 0.07" in text
