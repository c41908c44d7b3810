"""The page, its exports, and the verb."""

import csv
import io

import pytest
import tiny
from outline import HOSTILE, Outline, read

from ferjax.leaderboard.entries import read_groups
from ferjax.leaderboard.exports import to_csv, to_latex, to_markdown
from ferjax.leaderboard.page import write
from ferjax.leaderboard.script import SCRIPT
from ferjax.platform import outputs


@pytest.fixture
def board(make_run, tmp_path):
    """Three recipes on one test split, one of them with two seeds, and one on another set."""
    make_run("small/seed-0", 70, 0, model="sdl", parameters=10, seconds=10.0)
    make_run("small/seed-1", 72, 1, model="sdl", parameters=10, seconds=12.0)
    make_run("large", 80, model="vgg16", parameters=5000, seconds=500.0)
    make_run("worse", 60, model="resnet18", parameters=9000, seconds=900.0)
    make_run("other", 75, dataset="rafdb")
    make_run("begun", finished=False)
    return read_groups(tmp_path / "runs")


def test_the_page_holds_every_number_and_only_its_own_script(board, tmp_path):
    path = write(board, tmp_path / "out")
    html = read(path)
    outline = Outline(html)
    text = " ".join(" ".join(outline.text).split())
    for expected in ("80.00%", "71.00%", "fer2013: 200 test images", "rafdb: 200", "begun", "unfinished"):
        assert expected in text
    assert outline.tags.count("script") == 1
    assert SCRIPT in html
    assert "default-src 'none'" in html
    assert outline.tags.count("section") == 2
    assert not [value for name, value in outline.attributes if name in ("src", "href") and value != "data:,"
                and not value.startswith("#")]  # fmt: skip
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    names = {file.name for file in path.parent.iterdir()}
    assert {"leaderboard.md", "leaderboard.tex", "leaderboard.csv", "fer2013-scores.svg",
            "fer2013-pareto.png", "rafdb-scores.png"} <= names  # fmt: skip
    outputs.check("leaderboard", *path.parent.iterdir())  # it may be written again


def test_csv_has_the_recorded_numbers(board):
    rows = list(csv.DictReader(io.StringIO(to_csv(board.groups, "accuracy"))))
    large, small, *_ = rows
    assert (large["recipe"], large["rank"], large["seeds"], large["interval_over"]) == (
        "large", "1", "0", "images",
    )  # fmt: skip
    assert float(large["accuracy"]) == 0.8
    assert (small["seeds"], small["runs"], small["interval_over"]) == ("0 1", "2", "seeds")
    assert float(small["seconds"]) == 11.0
    assert large["pareto"] == "seconds memory parameters"
    assert rows[-1]["dataset"] == "rafdb"
    assert large["operations"] == ""


def test_another_score_may_rank(board, tmp_path):
    groups, _ = read_groups(tmp_path / "runs", "macro_f1")
    head = to_markdown(groups, {}, "macro_f1").split("| recipe")[1].split("\n")[0]
    assert head.index("macro F1") < head.index("accuracy")


@pytest.mark.slow
def test_hostile_names_are_only_text(make_run, tmp_path):
    make_run("<b>", model=HOSTILE)
    outline = Outline(read(write(read_groups(tmp_path / "runs"), tmp_path / "out")))
    assert (outline.tags.count("script"), outline.tags.count("title")) == (1, 1)
    assert "b>" not in outline.tags


def test_names_are_no_markup_and_no_formula_in_the_exports(make_run, tmp_path):
    make_run("=SUM(A1)")
    make_run("50%_&_#", 60, model="a_b|c")
    board = read_groups(tmp_path / "runs")
    assert r"50\%\_\&\_\#" in to_latex(board.groups, "accuracy")
    rows = list(csv.DictReader(io.StringIO(to_csv(board.groups, "accuracy"))))
    assert {row["recipe"] for row in rows} == {"'=SUM(A1)", "50%_&_#"}
    assert r"a\_b\|c" in to_markdown(board.groups, {}, "accuracy")


def test_every_row_of_latex_has_as_many_cells_as_its_columns(board):
    for part in to_latex(board.groups, "accuracy").split(r"\begin{tabular}")[1:]:
        columns = len(part[1 : part.index("}")].strip("{"))
        rows = [line for line in part.split("\n") if line.endswith(r"\\")]
        assert {line.count(" & ") + 1 for line in rows} == {columns}


@pytest.mark.slow
def test_the_verb_prints_the_tables(board, tmp_path, shell):
    done = shell("leaderboard", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert "| large" in done.stdout
    assert "left out: begun: unfinished" in done.stdout
    assert (tmp_path / "runs/leaderboard/index.html").exists()


def test_bad_input(make_run, tmp_path, shell):
    assert "name a folder of runs" in tiny.only_line(shell("leaderboard"))
    make_run("a")
    mine = tmp_path / "runs/leaderboard/leaderboard.csv"
    mine.parent.mkdir()
    mine.write_text("mine\n")
    line = tiny.only_line(shell("leaderboard", str(tmp_path / "runs")))
    assert "was not written by ferjax leaderboard" in line
    assert mine.read_text() == "mine\n"


@pytest.mark.slow
def test_columns_sort_and_rows_are_filtered(board, tmp_path):
    browser = pytest.importorskip("browser")
    if browser.PROGRAM is None:
        pytest.skip("no Chromium here")
    path = write(board, tmp_path / "out")
    names = (
        "[...document.querySelector('tbody').rows].filter(row => !row.hidden)"
        ".map(row => row.cells[0].textContent).join()"
    )
    with browser.Browser(tmp_path / "profile") as page:
        page.open(path.as_uri())
        page.wait("document.querySelector('form') && !document.querySelector('form').hidden")
        assert page.run(names) == "large,small,worse"
        for column, expected in (
            ("parameters", "worse,large,small"),  # numbers: the largest first
            ("parameters", "small,large,worse"),
            ("recipe", "large,small,worse"),
            ("rank", "large,small,worse"),
        ):
            page.click("thead button", column)
            assert page.run(names) == expected
        told = "form.dispatchEvent(new Event('input'));"
        page.run(f"{{ const form = document.forms[0]; form.words.value = 'SDL'; {told} }}")
        assert page.run(names) == "small"
        page.run(
            f"{{ const form = document.forms[0]; form.words.value = ''; form.front.checked = true; {told} }}"
        )
        assert page.run(names) == "large,small"
