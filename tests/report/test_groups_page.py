"""Scores by group on the page, in Markdown, in comparisons: from the attributes in the predictions."""

import re

import numpy as np
import pytest

from ferjax.data.split_index import key_of
from ferjax.experiments.compare import compare, table
from ferjax.report import groups
from ferjax.report.comparison import write_comparison
from ferjax.report.page import write_page
from ferjax.report.run import read_run
from ferjax.runs import predictions

HOSTILE = "<script>x</script>|*"


def with_groups(workdir):
    """Stores attributes; a third of the answers about one group are made wrong."""
    test = read_run(workdir).test
    count = len(test.labels)
    gender = np.array(["female", "male"])[np.arange(count) // 7 % 2]
    gender[:20] = ""
    skin = np.where(np.arange(count) % 5 == 0, HOSTILE, "pale")
    logs = test.log_probabilities.copy()
    spoilt = (gender == "male") & (np.arange(count) % 3 == 0)
    logs[spoilt] = np.roll(logs[spoilt], 1, axis=1)
    attributes = {
        "gender": key_of(gender.tolist()),
        "skin": key_of(skin.tolist()),
        "species": key_of(["human"] * count),
    }
    predictions.save(workdir, test._replace(log_probabilities=logs, attributes=attributes))
    return workdir


@pytest.fixture(scope="module")
def grouped(two_runs):
    one, other = two_runs
    return with_groups(one), other


def test_the_page_and_its_markdown_have_the_groups(grouped):
    page = write_page(grouped[0])
    html, text = page.read_text(), page.with_name("report.md").read_text()
    assert "Is it equally good for every group?" in html
    gap = re.search(r'<th scope="row">gender</th><td>accuracy</td>.*?</tr>', html)
    assert "female and male" in gap[0]
    assert "<td>yes</td>" in gap[0]
    assert "one group only (human)" in html
    assert "unknown" in html
    assert "gender: male" in html  # its confusion matrix
    assert "gender × skin" in html
    fairness = html.split("Measures of fairness, by class")[1].split("What is confused")[0]
    assert "equalized odds" in fairness
    assert "species" not in fairness  # one group only
    assert "<script" not in html
    assert "## By group" in text
    assert "![Scores by group](groups.png)" in text
    assert "<script>" not in text.replace("\\<", "")
    assert page.with_name("groups.png").exists()


def test_predictions_keep_their_attributes(grouped):
    test = read_run(grouped[0]).test
    assert test.attributes["gender"].names == ("female", "male")
    assert (test.attributes["gender"].codes[:20] == -1).all()
    assert groups.measured(read_run(grouped[1]).test) is None  # of a set without attributes


def test_two_networks_side_by_side(grouped, tmp_path):
    text = table(compare(*grouped), "one", "other")
    row = next(line for line in text.splitlines() if line.startswith("| male"))
    assert "+" in row.split("|")[9]  # the other network is better for them
    assert "gender: the first network's largest gap of the accuracy, female − male, goes from +" in text
    assert "species: fewer than two groups" in text
    page = write_comparison([read_run(each) for each in grouped], tmp_path)
    html = page.read_text()
    assert "<h2>By group</h2>" in html
    assert "<script" not in html
    assert "## By group" in page.with_name("report.md").read_text()


def test_small_groups_are_marked_and_there_may_be_nothing_to_draw():
    labels, logs = np.zeros(12, int), np.log(np.full((12, 2), [0.7, 0.3]))
    few = groups.groups.measure(labels, logs, {"light": (np.arange(12) % 2, ("dark", "dim"))}, smallest=30)
    assert not groups.drawable(few)
    assert "no group is large enough" in groups.text(few)
    assert "others (dark, dim) (few)" in groups.text(few)
    assert "What is confused" not in groups.section(few, ("a", "b"), "")
