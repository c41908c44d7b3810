"""A pack's runs, trained again: the same numbers here, near ones elsewhere, and both told honestly."""

import json
import shutil

import pytest
import tiny

from ferjax.errors import UserError
from ferjax.pack.compare import compare
from ferjax.pack.rerun import rerun, table
from ferjax.pack.unpack import Pack


def change(workdir, **fields):
    path = workdir / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def two(never_killed, tmp_path):
    """A run, and a copy of it."""
    for name in ("recorded", "again"):
        shutil.copytree(never_killed, tmp_path / name, ignore=shutil.ignore_patterns("checkpoints"))
    return tmp_path / "recorded", tmp_path / "again"


def test_time_and_date_are_no_numbers_of_the_run(two):
    change(two[1], seconds=1.0, images_per_second=1.0, date="2030-01-01T00:00:00+00:00")
    found = compare(*two, tolerance=0)
    assert (found.elsewhere, found.differing, found.reproduced) == ((), (), True)
    assert "the same, bit for bit" in table({"a": found})


def test_a_last_bit_counts_on_the_same_platform(two):
    loss = json.loads((two[1] / "result.json").read_text())["test"]["loss"]
    test = json.loads((two[1] / "result.json").read_text())["test"]
    change(two[1], test={**test, "loss": loss * (1 + 1e-15)})
    found = compare(*two, tolerance=0.5)
    assert found.differing == ("test",)
    assert not found.reproduced
    assert "NOT REPRODUCED" in table({"a": found})


def test_metrics_and_predictions_count(two):
    rows = (two[1] / "metrics.jsonl").read_text().splitlines()
    (two[1] / "metrics.jsonl").write_text("\n".join(rows[1:]) + "\n")
    (two[1] / "evaluations/fer2013-test.npz").unlink()
    assert compare(*two, tolerance=0).differing == ("metrics.jsonl", "predictions for test")


@pytest.mark.parametrize(("moved", "reproduced"), [(0.02, True), (0.04, False)])
def test_elsewhere_scores_may_move_within_the_tolerance(two, moved, reproduced):
    result = json.loads((two[1] / "result.json").read_text())
    test = {**result["test"], "accuracy": result["test"]["accuracy"] - moved}
    change(two[1], test=test, machine={**result["machine"], "cores": 99})
    found = compare(*two, tolerance=0.03)
    assert found.elsewhere == (f"machine's cores was {result['machine']['cores']}, is 99",)
    assert found.largest == pytest.approx(moved)
    assert found.reproduced is reproduced


def test_a_machine_that_is_not_known_is_another_one(two):
    path = two[0] / "result.json"
    result = json.loads(path.read_text())
    del result["machine"]
    path.write_text(json.dumps(result))
    assert compare(*two, tolerance=0).elsewhere == ("the machine was not recorded",)
    assert compare(two[1], two[1], 0, {"code of ferjax": ("a", "b")}).elsewhere == (
        "code of ferjax was a, is b",
    )


@pytest.fixture(scope="module")
def packed(shell, never_killed, tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "run.zip"
    done = shell("pack", never_killed, f"--out={path}")
    assert done.returncode == 0, done.stderr
    assert "SHA-256 of pack.json" in done.stdout
    return path


@pytest.mark.slow
def test_a_pack_is_trained_again_to_the_last_bit(packed, shell, tiny_run, tmp_path):
    out = tmp_path / "out"
    arguments = ("unpack", packed, out, "--rerun", f"--data_dir={tiny_run.data}")
    done = shell(*arguments)
    assert done.returncode == 0, done.stderr
    assert "the same, bit for bit" in done.stdout
    # Once more: the run is finished and is compared anew; and a number that is another one is told.
    change(out / "rerun/run", best_step=1)
    done = shell(*arguments)
    assert done.returncode == 1, done.stderr
    assert "on the same platform, differing in best_step" in done.stdout


@pytest.mark.slow
def test_bad_input(packed, shell, never_killed, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        (["pack"], "name the workdir of a run"),
        (["pack", never_killed, "--out=x.tar"], "--out=x.tar does not end in .zip"),
        (["pack", "nowhere"], "nowhere is not a directory"),
        (["unpack", packed], "name an archive and a folder"),
        (["unpack", packed, out, "--run=run"], "--run is for --rerun"),
        (["unpack", packed, out, "--tolerance=0.1"], "--tolerance is for --rerun"),
        (["unpack", never_killed / "result.json", out], "cannot be read as a .zip"),
        (["unpack", packed, out, "--rerun", f"--data_dir={tmp_path / 'empty'}"], "fer2013 is not built in"),
        (["unpack", packed, out, "--rerun", "--run=rum"], "has no run 'rum'; the nearest are run"),
        (["unpack", packed, out, "--rerun", "--tolerance=2"], "--tolerance"),
    ):
        assert words in tiny.only_line(shell(*arguments))
    assert not (out / "rerun").exists()


def hostile(tmp_path, never_killed, **groups):
    """An unpacked pack whose config was made to reach elsewhere."""
    folder = tmp_path / "out"
    shutil.copytree(never_killed, folder / "runs/run", ignore=shutil.ignore_patterns("checkpoints"))
    path = folder / "runs/run/config.json"
    config = json.loads(path.read_text())
    for group, fields in groups.items():
        config[group] |= fields
    path.write_text(json.dumps(config))
    return Pack(folder, {"runs": {"run": {"needs": []}}, "tolerance": 0.03}, "")


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"init": {"from": "/home/me/weights.pth"}}, "that are not in the pack; do not trust it"),
        ({"init": {"from": "pack:../elsewhere"}}, "'../elsewhere', which is not in it"),
        ({"init": {"from": "pack:run"}}, "come from its own; do not trust it"),
        ({"model": {"name": "os:system"}}, "names code outside ferjax"),
    ],
)
def test_a_config_reaches_nothing_outside_the_pack(tmp_path, never_killed, tiny_model, groups, words):
    with pytest.raises(UserError, match=words):
        rerun(hostile(tmp_path, never_killed, **groups))
    assert not (tmp_path / "out/rerun").exists()


def test_what_the_pack_lacks_is_told(tmp_path, never_killed, tiny_model):
    pack = hostile(tmp_path, never_killed)
    pack.manifest["runs"]["run"]["needs"] = ["initial weights: w.pth"]
    with pytest.raises(UserError, match=r"it lacks initial weights: w\.pth"):
        rerun(pack)


def test_another_data_set_is_refused_before_anything_is_trained(tmp_path, never_killed, tiny_run, tiny_model):
    pack = hostile(tmp_path, never_killed)
    change(pack.folder / "runs/run", split_digests={"test": "other"})
    with pytest.raises(UserError, match="the test split of fer2013 here is not the one of run"):
        rerun(pack, str(tiny_run.data))
    assert not (pack.folder / "rerun").exists()
