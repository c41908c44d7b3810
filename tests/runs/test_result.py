import datetime
import json

import numpy as np
import pytest
from results import result_of

from ferjax import files
from ferjax.errors import UserError
from ferjax.platform.versions import library_versions
from ferjax.runs import prediction_scores, result
from ferjax.runs.predictions import Predictions
from ferjax.scores import calibration
from ferjax.scores.confusion import summary

CONFUSION = np.array([[5, 1], [2, 8]])


def built(**changes):
    values = {
        "model": "resemotenet",
        "dataset": "fer2013",
        "label_names": ("sad", "happy"),
        "best_step": np.int64(40),
        "steps": 60,
        "epochs": 3,
        "validation": {
            "loss": np.float32(1),
            "accuracy": 0.8,
            "mean_class_accuracy": 0.7,
            "macro_f1": 0.6,
            "extra": 1,
        },
        "test_loss": 0.5,
        "test_confusion": CONFUSION,
        "seconds": 12.5,
        "images_per_second": 100.0,
        "data_wait_fraction": 0.01,
        "peak_memory_bytes": None,
        "device": {"platform": "cpu", "kind": "cpu", "count": 1, "processes": 1},
        "versions": library_versions(),
        "date": datetime.datetime(2025, 3, 1, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        "split_digests": {"test": "abc"},
        "seed": 0,
    }
    return result_of(**(values | changes))


def test_a_result_comes_back_from_its_file(tmp_path):
    path = tmp_path / "result.json"
    files.write_json_atomic(path, built())
    assert result.read_result(path) == json.loads(json.dumps(built()))
    assert tuple(built()) == result.FIELDS


def test_the_test_field_is_the_summary_of_the_matrix():
    test = built()["test"]
    assert test == {"loss": 0.5, **summary(CONFUSION, ("sad", "happy"))}
    assert set(test) == set(result.TEST)


def test_probabilities_are_told_beside_the_confusion_matrix():
    names = ("sad", "happy")
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    said = Predictions("s", "test", "d", 1, names, np.arange(4), np.array([0, 0, 1, 1]), np.log(chances))
    found = prediction_scores.probability_scores(said, said)
    assert set(result.PROBABILITIES) <= set(found)
    assert found["roc_auc"] == pytest.approx(0.75)
    assert found["per_class"][0] == {
        "name": "sad",
        "roc_auc": 0.75,
        "average_precision": pytest.approx(5 / 6),
    }
    scaled = calibration.with_temperature(np.log(chances), found["temperature"])
    assert found["cross_entropy_scaled"] == pytest.approx(calibration.cross_entropy(said.labels, scaled))
    assert found["intervals"]["accuracy"][0] <= 0.75 <= found["intervals"]["accuracy"][1]
    assert found["risk_coverage_area"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    # Four examples promise nothing at 90 %: every class is in every set.
    assert found["sets"]["overall"] == {
        "smallest": 0.0, "covered": 1.0, "lowest_class": 1.0, "mean_size": 2.0, "empty": 0.0, "single": 0.0,
    }  # fmt: skip
    without = prediction_scores.probability_scores(said, None)
    assert without["sets"] is None
    assert without["temperature"] is without["calibration_error_scaled"] is None
    assert built(probabilities=found)["probabilities"] == found
    assert "probabilities" not in built()


def test_a_class_without_examples_has_no_auc_and_json_holds_null(tmp_path):
    said = Predictions(
        "s", "test", "d", 1, ("a", "b"), np.arange(2), np.array([0, 0]), np.log([[0.9, 0.1], [0.6, 0.4]])
    )
    content = built(probabilities=prediction_scores.probability_scores(said, None))
    files.write_json_atomic(tmp_path / "result.json", content)
    read = result.read_result(tmp_path / "result.json")
    assert read["probabilities"]["roc_auc"] is None
    assert read["probabilities"]["per_class"][1]["average_precision"] is None


def test_only_the_named_validation_metrics_and_utc_are_kept():
    assert built()["validation"] == {
        "loss": 1.0,
        "accuracy": 0.8,
        "mean_class_accuracy": 0.7,
        "macro_f1": 0.6,
    }
    assert built()["date"] == "2025-03-01T12:00:00+00:00"


def test_a_date_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        built(date=datetime.datetime(2025, 3, 1))


def test_a_nan_loss_is_null_in_the_file(tmp_path):
    path = tmp_path / "result.json"
    files.write_json_atomic(path, built(test_loss=float("nan")))
    assert result.read_result(path)["test"]["loss"] is None


def test_versions_name_python_ferjax_and_the_libraries():
    versions = library_versions()
    assert {"python", "ferjax", "numpy", "jax", "orbax-checkpoint"} <= versions.keys()
    assert versions["numpy"] == np.__version__


def change(value, path, new):
    *parents, last = path
    for key in parents:
        value = value[key]
    if new is None:
        del value[last]
    else:
        value[last] = new


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        (("test",), None, "the file lacks test"),
        (("test",), [], "test is not a JSON object"),
        (("test", "macro_f1"), None, "test lacks macro_f1"),
        (("validation", "loss"), None, "validation lacks loss"),
        (("device", "kind"), None, "device lacks kind"),
        (("test", "per_class", 0, "support"), None, "a row of test.per_class lacks support"),
        (("test", "per_class"), {}, "test.per_class is not a list"),
        (("test", "confusion_matrix"), [[1]], "do not fit 2 label names"),
        (("test", "confusion_matrix"), [[1, 2], [3]], "do not fit 2 label names"),
        (("label_names",), ["sad"], "do not fit 1 label names"),
    ],
)
def test_what_a_file_lacks_is_named(tmp_path, path, new, message):
    value = json.loads(json.dumps(built()))
    change(value, path, new)
    files.write_json_atomic(tmp_path / "result.json", value)
    with pytest.raises(UserError, match=message):
        result.read_result(tmp_path / "result.json")


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        (("best_step",), "40", "best_step is '40', not a whole number"),
        (("best_step",), 10**30, "best_step is 1000"),
        (("seed",), 1.5, "seed is 1.5"),
        (("seconds",), -1, "seconds is -1, not a number from 0 on"),
        (("epochs",), [], "epochs is "),
        (("model",), 3, "model is 3, not a text"),
        (("dataset",), {}, "dataset is {}"),
        (("date",), 2025, "date is 2025"),
        (("test", "accuracy"), "high", "test.accuracy is 'high', not a number from 0 to 1"),
        (("test", "accuracy"), 1.5, "test.accuracy is 1.5"),
        (("test", "accuracy"), True, "test.accuracy is True"),
        (("test", "loss"), 1e308, "test.loss is 1e+308"),
        (("validation", "accuracy"), [0.5], "validation.accuracy is"),
        (("device", "count"), 0, "device.count is 0, not a whole number from 1 on"),
        (("device", "kind"), 0, "device.kind is 0"),
        (("versions", "jax"), 3, "the entry jax is 3"),
        (("split_digests", "test"), [], "the entry test is"),
        (("label_names", 0), 3, "a label name is 3"),
        (("test", "per_class", 0, "recall"), -0.5, "a row of test.per_class.recall is -0.5"),
        (("test", "per_class", 0, "support"), 7, "do not add up to the classes' support"),
        (("test", "confusion_matrix", 0, 0), "5", "a number of test.confusion_matrix is '5'"),
        (("test", "confusion_matrix", 0, 0), -5, "a number of test.confusion_matrix is -5"),
        (("peak_memory_bytes",), "much", "peak_memory_bytes is 'much', not a whole number from 0 on or null"),
        (("relabel",), {"file": "mine.csv"}, "relabel lacks digest, replaced"),
        (("relabel",), {"file": 3, "digest": "", "replaced": {}}, "relabel.file is 3, not a text"),
        (("relabel",), {"file": "", "digest": "", "replaced": []}, "relabel.replaced is not a JSON object"),
        (("relabel",), {"file": "", "digest": "", "replaced": {"train": -1}}, "relabel.replaced is -1"),
    ],
)
def test_a_value_of_another_kind_is_named(tmp_path, path, new, message):
    value = json.loads(json.dumps(built()))
    change(value, path, new)
    (tmp_path / "result.json").write_text(json.dumps(value))
    with pytest.raises(UserError) as caught:
        result.read_result(tmp_path / "result.json")
    assert message in str(caught.value)
    assert len(str(caught.value)) - len(str(tmp_path)) < 200


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        (("temperature",), -1, "probabilities.temperature is -1, not a number above 0 or null"),
        (("temperature",), "warm", "probabilities.temperature is 'warm'"),
        (("intervals", "accuracy"), [0.5], "probabilities.intervals.accuracy is [0.5], not two numbers"),
        (("intervals",), 3, "probabilities.intervals is not a JSON object"),
        (("per_class",), [], "probabilities.per_class does not fit 2 label names"),
        (("per_class", 0, "roc_auc"), "x", "a row of probabilities.per_class.roc_auc is 'x'"),
        (("calibration_error_scaled",), None, "probabilities lacks calibration_error_scaled"),
        (
            ("sets", "overall", "covered"),
            2,
            "probabilities.sets.overall.covered is 2, not a number",
        ),
        (("sets", "by_class"), {}, "probabilities.sets.by_class lacks covered"),
    ],
)
def test_probabilities_of_another_kind_are_named(tmp_path, path, new, message):
    names, chances = ("sad", "happy"), np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    said = Predictions("s", "test", "d", 1, names, np.arange(4), np.array([0, 0, 1, 1]), np.log(chances))
    value = json.loads(files.to_json(built(probabilities=prediction_scores.probability_scores(said, said))))
    (tmp_path / "result.json").write_text(json.dumps(value))
    assert result.read_result(tmp_path / "result.json") == value
    change(value["probabilities"], path, new)
    (tmp_path / "result.json").write_text(json.dumps(value))
    with pytest.raises(UserError) as caught:
        result.read_result(tmp_path / "result.json")
    assert message in str(caught.value)
