"""The page that compares runs."""

import re

import numpy as np
import pytest
from outline import HOSTILE, Outline, read

from ferjax.errors import UserError
from ferjax.report.comparison import write_comparison
from ferjax.report.run import read_run
from ferjax.runs import predictions
from ferjax.scores import significance


def test_runs_stand_side_by_side(make_run, make_workdir, tmp_path):
    runs = [read_run(make_run(name, seed=seed)) for seed, name in enumerate(("one", "two"))]
    runs.append(read_run(make_workdir("begun", finished=False)))
    path = write_comparison(runs, tmp_path / "out")
    outline = Outline(read(path))
    text = " ".join(" ".join(outline.text).split())
    for run in runs[:2]:
        assert f"{100 * run.result['test']['accuracy']:.2f}%" in text
    for expected in (
        "1 more are unfinished",
        "Which differences are real",
        "Claimed by Roy",
        "Validation accuracy",
    ):
        assert expected in text
    assert outline.tags.count("svg") == 5  # scores, recall, curves and two matrices
    assert {file.stem for file in path.parent.glob("*.png")} == {"scores", "recall", "validation"}
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_the_test_is_mcnemars_against_the_best(make_run, tmp_path):
    runs = [read_run(make_run(f"run{seed}", seed=seed)) for seed in range(2)]
    best = max(runs, key=lambda run: run.result["test"]["accuracy"])
    (other,) = [run for run in runs if run is not best]
    expected = significance.mcnemar(*predictions.right_of_both(best.test, other.test))
    text = read(write_comparison(runs, tmp_path / "out").with_name("report.md"))
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {other.name}") and "to" in line][1:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3:5] == [str(expected.only_first), str(expected.only_second)]
    assert float(cells[1].replace("−", "-")) == pytest.approx(100 * expected.difference, abs=0.006)


def test_runs_without_common_images_are_not_tested(make_run, make_workdir, tmp_path):
    runs = [read_run(make_run("a", dataset="rafdb")), read_run(make_workdir("b"))]
    text = " ".join(Outline(read(write_comparison(runs, tmp_path / "out"))).text)
    assert "no predictions are kept" in text
    assert "The runs are of different sets" in text


@pytest.mark.slow
def test_hostile_names_are_only_text(make_workdir, tmp_path):
    labels = (HOSTILE, "$\\frac$", "c")
    matrix = np.diag([3, 4, 5])
    runs = [
        read_run(make_workdir(name, labels=labels, matrix=matrix, model=HOSTILE))
        for name in ("<b>", "|_$x^$")
    ]
    outline = Outline(read(write_comparison(runs, tmp_path / "out")))
    assert not {"script", "b>"} & set(outline.tags)
    assert outline.tags.count("title") == 1


@pytest.mark.slow
def test_equal_names_are_told_apart(make_workdir, tmp_path):
    for parent in ("first", "second"):
        (tmp_path / parent).mkdir()
    runs = [read_run(make_workdir(f"{parent}/seed-0")) for parent in ("first", "second")]
    text = read(write_comparison(runs, tmp_path / "out").with_name("report.md"))
    assert re.findall(r"(first|second)/seed-0", text)[:2] == ["first", "second"]


def test_one_finished_run_is_no_comparison(make_workdir, tmp_path):
    runs = [read_run(make_workdir("one")), read_run(make_workdir("two", finished=False))]
    with pytest.raises(UserError, match="two finished runs; of these 2, 1 are"):
        write_comparison(runs, tmp_path / "out")
