import numpy as np
import pytest

from ferjax.report import tables
from ferjax.report.markdown import run_markdown
from ferjax.report.run import read_run
from ferjax.scores.confusion import accuracy, macro_f1, mean_class_accuracy, summary, weighted_f1

CONFUSION = np.array([[5, 1, 0], [2, 1500, 0], [0, 0, 0]])
TEST = summary(CONFUSION, ("sad", "<happy>", "absent"))


def test_the_text_table_is_aligned_and_closes_with_totals():
    assert tables.text_table(TEST).splitlines() == [
        "class            precision     recall         f1   support",
        "----------------------------------------------------------",
        "sad                 0.7143     0.8333     0.7692         6",
        "<happy>             0.9993     0.9987     0.9990     1,502",
        "absent              0.0000     0.0000     0.0000         0",
        "----------------------------------------------------------",
        "mean of classes     0.8568     0.9160     0.8841     1,508",
        "weighted mean       0.9982     0.9980     0.9981     1,508",
        "accuracy            0.9980",
    ]


def test_totals_agree_with_the_metrics():
    mean, weighted = tables.totals(TEST["per_class"])
    assert mean["recall"] == pytest.approx(mean_class_accuracy(CONFUSION))
    assert mean["f1"] == pytest.approx(macro_f1(CONFUSION))
    assert weighted["f1"] == pytest.approx(weighted_f1(CONFUSION))
    assert weighted["recall"] == pytest.approx(accuracy(CONFUSION))
    assert mean["support"] == weighted["support"] == CONFUSION.sum()


def test_html_rows_are_escaped_and_have_bars():
    html = tables.html_rows(TEST)
    assert html.count("<tr") == 5
    assert html.count('class="bar"') == 9
    assert "&lt;happy&gt;" in html
    assert "<happy>" not in html
    assert "width:83.3%" in html


def test_what_would_move_a_terminals_cursor_is_no_part_of_a_table():
    test = summary(np.eye(2, dtype=int), ("\x1b[31msad", "happy\r"))
    assert all(line.isprintable() for line in tables.text_table(test).splitlines())
    table = tables.markdown(("\x1b[2J", "a\nb"), [["x|y", "\x9b"]])
    assert all(line.isprintable() for line in table.splitlines())
    assert "a b" in table


@pytest.mark.parametrize(("classes", "lines"), [(60, 60), (61, 0)])
def test_a_matrix_of_many_classes_is_left_out_of_the_text(make_workdir, classes, lines):
    names = [f"class{place}" for place in range(classes)]
    text = run_markdown(read_run(make_workdir(labels=names, points=1)), ())
    matrix = text.partition("## Confusion matrix")[2]
    assert sum(line.startswith("| class") for line in matrix.splitlines()) == lines
    assert ("too many classes" in matrix) == (lines == 0)
