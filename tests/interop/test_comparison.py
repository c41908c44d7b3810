"""The arithmetic and the tables of the comparison, on known numbers."""

import math

import numpy as np
import pytest

from ferjax.interop.comparison import (
    Gap,
    Group,
    as_json,
    class_weights,
    compare,
    layer_table,
    numbered,
    random_batches,
    summary_table,
)


def groups(ours, theirs, precision="float64", prefix=""):
    as_arrays = [{what: {k: np.array(v) for k, v in arrays.items()} for what, arrays in side.items()}
                 for side in (ours, theirs)]  # fmt: skip
    return compare(precision, *as_arrays, prefix)


def test_relative_to_the_largest_value_of_pytorchs_array():
    (group,) = groups({"loss": {"loss": [1.0, 8.5]}}, {"loss": {"loss": [-2.0, 8.0]}})
    assert group.gaps == (Gap("loss", (2,), 3.0, 3 / 8),)
    assert (group.worst, group.parting) == (group.gaps[0], "loss")


def test_gradients_are_relative_to_the_layer():
    """The bias of a convolution before batch normalisation has a gradient of rounding noise."""
    theirs = {"gradients": {"conv.bias": [1e-17], "conv.weight": [2.0], "fc.bias": [1e-17]}}
    ours = {"gradients": {"conv.bias": [-1e-17], "conv.weight": [2.0], "fc.bias": [-1e-17]}}
    (group,) = groups(ours, theirs)
    assert group.gaps[0].relative == pytest.approx(1e-17)
    assert group.gaps[2].relative == pytest.approx(2)
    assert group.parting == "fc.bias"


def test_the_first_array_that_differs_is_named_and_not_the_worst():
    theirs = {"activations, evaluation": {"a": [1.0], "b": [1.0], "c": [1.0]}}
    ours = {"activations, evaluation": {"a": [1.0], "c": [2.0], "b": [1.0 + 1e-6]}}
    (group,) = groups(ours, theirs)
    assert (group.parting, group.worst.name) == ("b", "c")


@pytest.mark.parametrize(("ours", "theirs", "relative"), [
    ([0.0], [0.0], 0.0), ([1.0], [0.0], math.inf), ([math.nan], [1.0], math.nan),
])  # fmt: skip
def test_zeros_and_nan(ours, theirs, relative):
    (group,) = groups({"loss": {"loss": ours}}, {"loss": {"loss": theirs}})
    assert group.worst.relative == pytest.approx(relative, nan_ok=True)
    assert group.parting == (None if relative == 0 else "loss")


def test_arrays_of_one_side_only_are_a_mistake_unless_a_layer_is_called_more_often():
    with pytest.raises(LookupError, match=r"gradients: only one side has b\.bias"):
        groups({"gradients": {}}, {"gradients": {"b.bias": [1.0]}})
    (group,) = groups(
        {"activations, training": {"q": [1.0, 2.0], "fc": [1.0]}},
        {"activations, training": {"q[0]": [1.0], "q[1]": [2.0], "fc": [1.0]}},
    )
    assert [gap.name for gap in group.gaps] == ["fc"]
    with pytest.raises(LookupError, match=r"fc is \[2\] here and \[1\] in PyTorch"):
        groups({"loss": {"fc": [1.0, 2.0]}}, {"loss": {"fc": [1.0]}})


def test_results_of_steps_in_float32_are_shown_and_not_judged():
    found = groups(
        {"weights": {"w": [1.0]}, "running statistics": {"s": [1.0]}, "losses": {"step": [1.0]}},
        {"weights": {"w": [2.0]}, "running statistics": {"s": [2.0]}, "losses": {"step": [2.0]}},
        "float32",
        "adamw, 5 steps: ",
    )
    assert [(group.what, group.parting) for group in found] == [
        ("adamw, 5 steps: weights", None),
        ("adamw, 5 steps: running statistics", None),
        ("adamw, 5 steps: losses", None),
    ]


def test_tables_and_json():
    activations = (Gap("conv1", (8, 4, 4, 64), 2e-15, 1e-15), Gap("se", (8, 64), 4e-7, 2e-7))
    gradients = (Gap("conv1.weight", (3, 3), 1e-12, 3e-12), Gap("conv1.bias", (3,), 1e-12, 4e-12))
    found = [
        Group("float64", "activations, evaluation", activations, 1e-9),
        Group("float64", "gradients", gradients, 1e-8),
        Group("float32", "losses", (Gap("step", (), 1.0, 0.5),), None),
    ]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in summary_table(found).splitlines()]
    assert rows[2:] == [
        ["activations, evaluation", "float64", "2", "4.0e-07", "2.0e-07", "1e-09", "se"],
        ["gradients", "float64", "2", "1.0e-12", "4.0e-12", "1e-08", "nowhere"],
        ["losses", "float32", "1", "1.0e+00", "5.0e-01", "not judged", "–"],
    ]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in layer_table(found).splitlines()]
    assert rows[0] == ["layer or block", "output", "evaluation float64", "gradients float64"]
    assert rows[2:] == [["conv1", "4×4×64", "1.0e-15", "4.0e-12"], ["se", "64", "2.0e-07", ""]]
    first = next(as_json(found))
    assert (first["parts_at"], first["arrays"][0]["shape"]) == ("se", (8, 4, 4, 64))


def test_outputs_of_several_calls_are_numbered():
    assert list(numbered("a", [1.0])) == ["a"]
    assert list(numbered("a", [1.0, 2.0])) == ["a[0]", "a[1]"]
    assert numbered("a", []) == {}


def test_batches_and_class_weights_depend_on_the_seed_alone():
    first, again, other = (random_batches(2, 3, 8, 7, seed) for seed in (0, 0, 1))
    assert first.images.shape == (2, 3, 8, 8, 3)
    assert first.labels.max() < 7
    np.testing.assert_array_equal(first.images, again.images)
    assert (first.images != other.images).any()
    weights = class_weights(7)
    assert len(set(weights[:5])) == 5
    assert (weights * 4 == np.round(weights * 4)).all()
