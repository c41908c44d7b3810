"""The verb robustness writes its page, and tells bad input in one line."""

import json

import pytest
import tiny

from ferjax.platform import outputs
from ferjax.robustness.page import written_files


@pytest.mark.slow
def test_it_writes_a_page_with_the_numbers(never_killed, shell, tmp_path):
    out = tmp_path / "out"
    done = shell(
        "robustness", f"--workdir={never_killed}", f"--out={out}", "--kinds=dark,jpeg", "--attacked=4"
    )
    assert done.returncode == 0, done.stderr
    assert set(out.iterdir()) == set(written_files(out))
    outputs.check("robustness", *written_files(out))  # it may be measured again
    figures = json.loads((out / "robustness.json").read_text())
    assert list(figures["corruptions"]) == ["dark", "jpeg"]
    assert figures["attacks"]["images"] == 4
    for text in (done.stdout, (out / "robustness.md").read_text(), (out / "index.html").read_text()):
        assert f"{100 * figures['mean_error']:.1f}%" in text
    assert "<script" not in (out / "index.html").read_text()


@pytest.mark.slow
def test_bad_input(never_killed, shell, tmp_path):
    run, out = f"--workdir={never_killed}", f"--out={tmp_path}"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    for arguments, words in (
        ([], "--workdir must be given"),
        (["--workdir=nowhere"], "nowhere does not exist; name a run's workdir or a bundle"),
        ([run, out, "--kinds=darkk"], "there is no corruption 'darkk'; the nearest are dark"),
        ([run, out, "--count=-1"], "flag --count=-1"),
        ([run, out, "--split=tset"], "no split 'tset'"),
        ([run, out, f"--against={never_killed}"], "is the same network; name another"),
        ([run, f"{out}/mine"], "was not written by ferjax robustness and would be overwritten"),
        ([run, "surplus"], "unexpected argument 'surplus'"),
    ):
        assert words in tiny.only_line(shell("robustness", *arguments))
    assert (tmp_path / "mine" / "index.html").read_text() == "mine"
