"""What goes into a pack of a real run, and what does not."""

import json
import shutil
import zipfile

import pytest

from ferjax.errors import UserError
from ferjax.pack import archive, texts
from ferjax.pack.contents import gather, name_runs
from ferjax.pack.environment import lock
from ferjax.pack.portable import portable_config, portable_result


@pytest.fixture(scope="module")
def run(never_killed, tmp_path_factory):
    """A finished run in whose folder pictures lie."""
    folder = tmp_path_factory.mktemp("packed") / "my run"
    shutil.copytree(never_killed, folder)
    for place in ("report/photo.png", "evaluations/face.jpg", "explain/index.html", "face.png"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(b"\x89PNG picture")
    return folder


@pytest.fixture(scope="module")
def gathered(run, tiny_run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(tiny_run.data))  # where a page would find the set's pictures
        return gather([run], checkpoints=True)


def test_scores_on_images_that_were_trained_on_are_called_too_good(gathered):
    _, about = gathered
    ((name, facts),) = about["runs"].items()
    seen = {"images": 349, "train": 22, "validation": 0, "earlier": 0}
    told = f"- The scores of {name.replace('_', chr(92) + '_')} are too good: of 349 scored images"
    assert told in texts.readme({**about, "runs": {name: {**facts, "overlap": seen}}}, checkpoints=False)
    assert "too good" not in texts.readme({**about, "runs": {name: {**facts, "overlap": None}}}, False)


def content(files, name):
    return files[name] if isinstance(files[name], bytes) else files[name].read_bytes()


def test_a_pack_holds_what_is_needed_and_no_picture_and_no_path(gathered, run, tiny_run):
    files, about = gathered
    names = {name.removeprefix("runs/my_run/") for name in files}
    assert {"config.json", "metrics.jsonl", "result.json", "evaluations/fer2013-test.npz", "CITATION.bib",
            "evaluations/fer2013-validation.npz", "report/index.html", "report/report.md", "LICENCES.md",
            "README.md", "requirements.txt"} <= names  # fmt: skip
    assert any(name.startswith("checkpoints/") for name in names)
    assert not {"report/photo.png", "evaluations/face.jpg", "explain/index.html", "face.png"} & names
    page = content(files, "runs/my_run/report/index.html")
    assert b"data:image/jpeg" not in page
    assert b"data:image/png" not in page
    for name in files:
        if "/checkpoints/" not in name:
            for path in (str(run.parent), str(tiny_run.data)):
                assert path.encode() not in content(files, name), name
    assert json.loads(content(files, "runs/my_run/config.json"))["data"]["dir"] == ""
    result = json.loads((run / "result.json").read_text())
    (facts,) = about["runs"].values()
    assert facts["split_digests"] == result["split_digests"]
    assert facts["machine"] == result["machine"]
    assert facts["needs"] == []
    assert f"{100 * result['test']['accuracy']:.2f}%" in content(files, "README.md").decode()
    assert result["split_digests"]["test"] in content(files, "README.md").decode()
    assert "fer2013" in content(files, "LICENCES.md").decode()
    assert "goodfellow2013" in content(files, "CITATION.bib").decode()


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(gathered, run, tmp_path):
    archive.write(tmp_path / "a.zip", *gathered)
    archive.write(tmp_path / "b.zip", *gather([run], checkpoints=True))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert set(zipfile.ZipFile(tmp_path / "a.zip").namelist()) == {*gathered[0], "pack.json"}


def test_the_lock_pins_every_package():
    comment, *lines = lock().splitlines()
    assert "ferjax" in comment
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert any(line.startswith("jax==") for line in lines)
    assert all(line.count("==") == 1 for line in lines)


def test_weights_of_another_run_are_named_or_told_as_missing(run, tmp_path):
    packed = {run.resolve(): "first"}
    content = {
        "model": {"name": "tiny"},
        "init": {"from": str(run)},
        "distill": {"from": f"faces,{tmp_path}/x.pth"},
    }
    config, needs = portable_config(content, packed)
    assert config["init"]["from"] == "pack:first"
    assert config["distill"]["from"] == "faces,x.pth"
    assert needs == ["a teacher: x.pth"]
    assert content["init"]["from"] == str(run)


def test_a_result_keeps_no_path():
    result = portable_result(
        {
            "init": {"from": "/home/me/w.pth", "trained_on": [{"data": {"name": "fer2013", "dir": "/data"}}]},
            "relabel": {"file": "/home/me/list.csv", "digest": "ab"},
        }
    )
    assert "/" not in json.dumps(result)
    assert result["relabel"] == {"file": "relabel.csv", "digest": "ab"}


def test_runs_have_names_of_their_own(never_killed, tmp_path):
    for place in ("a/seed-0", "a/Seed-0", "b/a/seed-0"):
        shutil.copytree(never_killed, tmp_path / place)
    named = name_runs([tmp_path / "a", tmp_path / "b/a"])
    assert sorted(named) == ["a-2/seed-0", "a/Seed-0", "a/seed-0-2"]
    with pytest.raises(UserError, match="is named twice"):
        name_runs([tmp_path / "a", tmp_path / "a/seed-0"])


def test_the_trials_of_a_search_are_passed_over(never_killed, tmp_path):
    search = tmp_path / "tuned"
    (search / ".queue").mkdir(parents=True)
    for place in (search / "trials/0/seed-0", search / "best/seed-1"):
        shutil.copytree(never_killed, place)
    assert name_runs([search]) == {"tuned/best/seed-1": search / "best/seed-1"}
    assert list(name_runs([search / "trials/0/seed-0"])) == ["seed-0"]  # as it was named


def test_bad_input(run, tmp_path):
    with pytest.raises(UserError, match="is not a directory"):
        gather([tmp_path / "none"])
    with pytest.raises(UserError, match="holds no run"):
        gather([tmp_path])
    begun = tmp_path / "begun"
    shutil.copytree(run, begun, ignore=shutil.ignore_patterns("result.json", "checkpoints"))
    with pytest.raises(UserError, match=r"begun is unfinished: it has no result\.json"):
        gather([begun])
    shutil.copy(run / "result.json", begun)
    with pytest.raises(UserError, match="has no checkpoints"):
        gather([begun], checkpoints=True)
    (begun / "evaluations/fer2013-test.npz").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"fer2013-test\.npz"):
        gather([begun])
