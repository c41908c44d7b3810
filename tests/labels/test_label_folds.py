"""Which folds are trained, which runs are reused, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import tiny

from ferjax.errors import UserError
from ferjax.labels import folds
from ferjax.labels.folds import FoldRun
from ferjax.labels.run import seen
from ferjax.training.setup import open_mesh


def runs(*names, **fields):
    configs = [tiny.tiny_configuration(data__fold=name, **fields) for name in names]
    return {Path(f"run-{number}"): config for number, config in enumerate(configs)}


def test_what_is_trained_and_what_is_there():
    assert folds.needed({}, None) == (5, "", {})
    assert folds.needed(runs(""), 3, "train") == (3, "train", {})
    assert folds.needed(runs("3/4"), None) == (4, "", {"3/4": Path("run-0")})
    assert folds.needed(runs("2/3", "1/3"), 3).done == {"2/3": Path("run-0"), "1/3": Path("run-1")}
    assert folds.needed(runs("train:3/4"), None) == (4, "train", {"train:3/4": Path("run-0")})
    people = runs("subject:A", "subject:B")
    assert folds.needed(people, None) == (0, "", dict(zip(("subject:A", "subject:B"), people, strict=True)))


@pytest.mark.parametrize(
    ("named", "count", "told"),
    [
        (("", ""), None, "several runs must be those of the folds of one set"),
        (("1/3", ""), None, "two of these runs test on the same fold, or one on none"),
        (("1/3", "1/3"), None, "two of these runs test on the same fold"),
        (("1/3", "2/4"), None, "the folds 1/3, 2/4, which belong to no one division"),
        (("1/3", "subject:A"), None, "which belong to no one division"),
        (("1/3",), 5, "the folds 1/3, which belong to no one division into 5"),
        (("1/3", "train:2/3"), None, "the folds 1/3, train:2/3, which belong to no one division"),
    ],
)
def test_runs_that_do_not_belong_together(named, count, told):
    with pytest.raises(UserError, match=told):
        folds.needed(runs(*named), count)


def test_runs_of_another_split():
    with pytest.raises(UserError, match=r"the folds 1/3, which belong to no one division of train$"):
        folds.needed(runs("1/3"), None, "train")


def test_runs_of_two_recipes():
    same = runs("1/2", "2/2")
    same[Path("run-1")].train.seed = 7
    folds.of_one_recipe(same)
    same[Path("run-1")].train.epochs = 3.0
    with pytest.raises(UserError, match=r"runs of two recipes \(train\.epochs was 2\.5, is 3\.0\)"):
        folds.of_one_recipe(same)


def test_a_fold_sees_no_copy_and_no_noise_of_its_own():
    config = tiny.tiny_configuration(data__label_noise=0.2, data__cache="device")
    fold = folds.recipe_for(config, "2/3").data
    assert (fold.fold, fold.drop_leaks, fold.drop_validation_leaks) == ("2/3", True, True)
    assert (fold.label_noise, fold.cache) == (0.0, "memory")
    assert config.data.label_noise == 0.2


def test_steps_that_know_single_examples_are_those_of_each_fold(tiny_run, tiny_model):
    recipe = tiny_run.config(data__groups="class", loss__group_dro=0.01, loss__class_weights="none")
    configs = [folds.recipe_for(recipe, fold) for fold in ("1/2", "2/2")]
    runner, mesh = folds.FoldRunner(configs[0]), open_mesh(recipe)
    for config in configs:
        ready = runner._prepare(config, mesh)
        np.testing.assert_array_equal(ready.parts.shared["groups"], ready.train.labels)


def run_of(examples, **overlap):
    return FoldRun(Path("run"), tiny.tiny_configuration(), np.array(examples), np.zeros((0, 7)), overlap)


def test_every_example_is_tested_once():
    class Whole:
        labels = np.zeros(4)
        records = type("Records", (), {"name": "mine"})

    folds.check_whole({"1/2": run_of([0, 3]), "2/2": run_of([1, 2])}, Whole)
    with pytest.raises(
        UserError, match="the runs test 2 of the 4 examples of mine: name the runs of all folds"
    ):
        folds.check_whole({"1/2": run_of([0, 3])}, Whole)
    with pytest.raises(UserError, match="1 examples are in the test part of two of the runs"):
        folds.check_whole({"1/2": run_of([0, 3]), "2/2": run_of([1, 2, 3])}, Whole)


def test_images_that_weights_had_seen_are_told():
    assert seen({"1/2": run_of([0], images=1, train=0, validation=0, earlier=0)}) == []
    copies, earlier = seen({"1/2": run_of([0], train=2, validation=1), "2/2": run_of([1], earlier=5)})
    assert copies.startswith("3 images had a copy")
    assert earlier.startswith("5 images were among what the initial weights")
