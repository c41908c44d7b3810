"""Which runs make an entry, which entries stand together, and what is left out."""

import json

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.leaderboard.entries import UNFINISHED, read_groups
from ferjax.scores import significance


def test_seeds_of_a_recipe_are_one_entry_with_an_interval_over_them(make_run, tmp_path):
    accuracies = (70, 74, 75)
    for seed, right in enumerate(accuracies):
        make_run(f"a/seed-{seed}", right, seed, seconds=100.0 + seed, peak_memory_bytes=seed + 1)
    make_run("b", 80, config={"schedule": {"learning_rate": 0.5}})
    (group,), left_out = read_groups(tmp_path / "runs")
    assert left_out == {}
    single, several = group.entries  # the best first
    assert (single.name, single.seeds, several.name, several.seeds) == ("b", (0,), "a", (0, 1, 2))
    expected = significance.seed_summary([right / 100 for right in accuracies])
    score = several.scores["accuracy"]
    assert score == pytest.approx((expected.mean, expected.student.low, expected.student.high))
    images = significance.image_intervals(np.array([[80, 20], [20, 80]]))["accuracy"]
    assert single.scores["accuracy"] == pytest.approx((0.8, *images))
    assert (several.seconds, several.memory, several.parameters) == (101.0, 3, 1000)
    assert single.details == "schedule.learning_rate 0.5"
    assert "schedule.learning_rate" in several.details
    assert (group.dataset, group.digest, group.images) == ("fer2013", "4567", 200)


def test_other_test_images_are_never_ranked_together(make_run, tmp_path):
    make_run("a")
    make_run("b", dataset="rafdb")
    make_run("c", split_digests={"test": "other"})
    groups, _ = read_groups(tmp_path / "runs")
    assert [(group.dataset, group.digest, len(group.entries)) for group in groups] == [
        ("fer2013", "4567", 1),
        ("fer2013", "other", 1),
        ("rafdb", "4567", 1),
    ]


def test_another_device_or_version_is_another_entry(make_run, tmp_path):
    make_run("a")
    make_run("b", seed=1, device={"platform": "gpu", "kind": "Other", "count": 2, "processes": 1})
    make_run("c", seed=2, versions={"ferjax": "0.2.0"})
    (group,), _ = read_groups(tmp_path / "runs")
    assert {entry.device for entry in group.entries} == {"Some GPU", "2 × Other"}
    assert len(group.entries) == 3


def test_unfinished_damaged_and_repeated_runs_are_told_and_left_out(make_run, tmp_path):
    make_run("good")
    make_run("begun", finished=False)
    make_run("twin")
    (make_run("broken") / "result.json").write_text("{")
    (make_run("short") / "metrics.jsonl").write_text("[]\n")
    (make_run("lost") / "config.json").unlink()
    make_run("blind", split_digests={"train": "0123"})
    (group,), left_out = read_groups(tmp_path / "runs")
    assert [entry.name for entry in group.entries] == ["good"]
    assert left_out["begun"] == UNFINISHED
    assert "is not valid JSON" in left_out["broken"]
    assert "metrics.jsonl line 1" in left_out["short"]
    assert "it has no config.json" in left_out["lost"]
    assert "which test images" in left_out["blind"]
    assert left_out["twin"] == "repeats the config and the seed of good"


def test_the_trials_of_a_search_are_told_together(make_run, tmp_path):
    make_run("tuned/best/seed-1")
    for number in range(3):
        make_run(f"tuned/trials/{number}/seed-0", finished=False)
    make_run("other/trials/a")  # a folder that only has such a name
    (tmp_path / "runs" / "tuned" / ".queue").mkdir()
    (group,), left_out = read_groups(tmp_path / "runs")
    assert {entry.name for entry in group.entries} == {"tuned/best/seed-1", "other/trials/a"} - set(left_out)
    assert left_out.pop("tuned/trials") == "3 runs of a search's trials, which test nothing"
    assert all("repeats the config" in why for why in left_out.values())


def test_a_folder_without_a_finished_run_is_told(make_run, tmp_path):
    with pytest.raises(UserError, match="is not a directory"):
        read_groups(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no run"):
        read_groups(tmp_path / "empty")
    make_run("begun", finished=False)
    with pytest.raises(UserError, match=r"of the 1 runs in .* none can be ranked: begun \(unfinished\)"):
        read_groups(tmp_path / "runs")


def test_links_and_hidden_folders_are_not_followed(make_run, tmp_path):
    make_run("good")
    make_run(".hidden")
    make_run("../elsewhere/run", seed=7)
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    (group,), left_out = read_groups(tmp_path / "runs")
    assert ([entry.seeds for entry in group.entries], left_out) == ([(0,)], {})


def test_recipes_that_share_a_folder_have_names_of_their_own(make_run, tmp_path):
    for seed in range(2):
        make_run(f"sweep/a{seed}", seed=seed)
        make_run(f"sweep/b{seed}", seed=seed, config={"schedule": {"learning_rate": 0.5}})
    (group,), _ = read_groups(tmp_path / "runs")
    assert sorted(entry.name for entry in group.entries) == ["sweep/a0 and 1 more", "sweep/b0 and 1 more"]


def test_test_images_in_the_training_data_are_counted(make_run, tmp_path):
    make_run("a", overlap={"images": 200, "train": 3, "validation": 1, "earlier": 0, "unchecked": []})
    (group,), _ = read_groups(tmp_path / "runs")
    assert group.entries[0].overlap == 4


def test_operations_come_from_what_aot_left(make_run, tmp_path):
    content = [{"flops": 4e9, "devices": 2, "batch_size": 16, "parameters": 1000}]
    run = make_run("a")
    (run / "aot.json").write_text(json.dumps(content))
    (group,), _ = read_groups(tmp_path / "runs")
    assert group.entries[0].operations == 5e8
    for wrong, why in (
        ([{**content[0], "parameters": 7}], "is of another network"),
        ([{**content[0], "flops": -1}], "is not what ferjax aot"),
        ({}, "is not what ferjax aot"),
    ):
        (run / "aot.json").write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=why):
            read_groups(tmp_path / "runs")
