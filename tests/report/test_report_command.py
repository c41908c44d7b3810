import subprocess
import sys

import pytest

from ferjax.commands import report
from ferjax.errors import UserError
from ferjax.report import run


@pytest.mark.slow
def test_every_named_run_gets_its_page_and_finished_ones_a_comparison(make_workdir, tmp_path, capsys):
    runs = [
        make_workdir("one", points=2),
        make_workdir("two", points=2),
        make_workdir("begun", finished=False),
    ]
    report.main(["ferjax report", *map(str, runs)])
    printed = capsys.readouterr().out
    for workdir in runs:
        assert (workdir / "report" / "index.html").exists()
        assert str(workdir / "report" / "index.html") in printed
    assert "mean of classes" in printed
    assert "This run is unfinished" in printed
    assert str(tmp_path / "comparison" / "index.html") in printed
    assert (tmp_path / "comparison" / "scores.svg").exists()


@pytest.mark.slow
@pytest.mark.relative  # the one above writes two
def test_many_runs_are_written_at_once(make_workdir, tmp_path):
    runs = [make_workdir(str(number), points=2) for number in range(4)]
    report.main(["ferjax report", *map(str, runs)])
    assert all((workdir / "report" / "index.html").exists() for workdir in runs)
    alone = (runs[0] / "report" / "index.html").read_bytes()
    report.main(["ferjax report", str(runs[0])])
    assert (runs[0] / "report" / "index.html").read_bytes() == alone


def test_the_verb_tells_bad_input_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ferjax", "report", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "is not a workdir: it has no config.json" in line


def test_no_run_and_no_directory_are_told(tmp_path):
    with pytest.raises(UserError, match="name the workdir"):
        report.main(["ferjax report"])
    with pytest.raises(UserError, match="is not a directory"):
        report.main(["ferjax report", str(tmp_path / "none")])


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "result.json"])
@pytest.mark.parametrize("content", ['{"a": \n\n', "[1]\n"])
def test_corrupt_files_are_told_by_name(make_workdir, name, content):
    workdir = make_workdir(points=2)
    (workdir / name).write_text(content)
    with pytest.raises(UserError, match=name):
        report.main(["ferjax report", str(workdir)])


def test_a_metrics_line_still_being_written_does_not_matter(make_workdir):
    workdir = make_workdir(finished=False, points=3)
    rows = run.read_run(workdir).rows
    with (workdir / "metrics.jsonl").open("a") as file:
        file.write('{"step": 400, "spl')
    assert run.read_run(workdir).rows == rows


def test_the_best_step_so_far_is_the_first_of_the_best(make_workdir):
    rows = [
        {"step": step, "split": "validation", "accuracy": accuracy}
        for step, accuracy in ((1, 0.5), (2, 0.7), (3, None), (4, 0.7))
    ]
    read = run.read_run(make_workdir(finished=False, points=0))
    assert read.best_step is None
    assert read._replace(rows=rows).best_step == 2
