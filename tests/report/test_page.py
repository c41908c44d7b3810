import re
import shutil
import subprocess

import numpy as np
import pytest
from outline import HOSTILE, Outline, read

from ferjax import files
from ferjax.errors import UserError
from ferjax.report import page, sections
from ferjax.report.comparison import write_comparison
from ferjax.report.run import read_run
from ferjax.scores.confusion import summary


def compared(*workdirs):
    return write_comparison([read_run(workdir) for workdir in workdirs], workdirs[0].parent / "comparison")


def test_a_finished_run_has_everything_on_its_page(finished_page):
    outline = Outline(read(finished_page))
    text = " ".join(" ".join(outline.text).split())
    for expected in (
        "resemotenet on fer2013",
        "Test accuracy",
        "95% interval",
        "Mean class accuracy",
        "Macro F1",
        "4,200",
        "1 h 15 min",
        "2,310",
        "Some GPU × 2",
        "1 process, peak memory 3.2 GiB",
        "1 Mar 2025",
        "Best step chosen on validation; test read once",
        "python 3.11.0, ferjax 0.1.0, jax 0.10.2",
        "test split 4567",
        "Learning rate",
        "surprise",
        "cache yes",
        "Claimed by Roy et al. (2024): 79.79%",
        "not measured here and not a target",
        "ROC-AUC",
        "Calibration error",
        "With temperature",
        "What if it may refuse to answer?",
        "The worst mistakes",
    ):
        assert expected in text
    assert outline.tags.count("svg") == 7
    pictures = (
        "classes", "confusion", "confusion_counts", "confusion_normalised", "curves", "reliability",
        "risk_coverage",
    )  # fmt: skip
    assert {path.name for path in finished_page.parent.iterdir()} == {
        "index.html", "report.md", *(f"{name}.{kind}" for name in pictures for kind in ("png", "svg"))
    }  # fmt: skip


def test_the_page_refers_to_nothing_outside(finished_page):
    html = read(finished_page)
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    outline = Outline(html)
    assert "script" not in outline.tags
    for name, value in outline.attributes:
        if name in ("href", "src", "xlink:href"):
            assert value.startswith(("#", "data:"))
    for target in re.findall(r"url\(([^)]*)\)", html):
        assert target.startswith("#")


def test_ids_are_unique_and_every_reference_has_one(finished_page):
    outline = Outline(read(finished_page))
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = {value[1:] for name, value in outline.attributes if name == "xlink:href"}
    clips = {value[5:-1] for name, value in outline.attributes if name == "clip-path"}
    assert references | clips <= set(ids)
    assert references


def test_hostile_text_is_only_text(make_workdir):
    labels = (HOSTILE, "$\\frac$", "fear & loathing")
    workdir = make_workdir(
        name="<b>run",
        labels=labels,
        model=HOSTILE,
        dataset=HOSTILE,
        device={"platform": HOSTILE, "kind": HOSTILE, "count": 1, "processes": 1},
        versions={HOSTILE: HOSTILE},
        split_digests={HOSTILE: HOSTILE},
        config={HOSTILE: HOSTILE, "group": {HOSTILE: [HOSTILE, {"deep": HOSTILE}]}},
    )
    outline = Outline(read(page.write_page(workdir)))
    assert not {"script", "b>run"} & set(outline.tags)
    assert outline.tags.count("title") == 1
    assert sum(HOSTILE in text for text in outline.text) >= 10
    assert "$\\frac$" in outline.text


def test_an_unfinished_run_shows_its_curves_and_says_so(make_workdir):
    workdir = make_workdir(finished=False, points=12)
    path = page.write_page(workdir)
    outline = Outline(read(path))
    text = " ".join(outline.text)
    assert "This run is unfinished." in text
    assert "resemotenet on fer2013" in text
    assert "Last step" in text
    assert "1,200" in text
    assert "Test accuracy" not in text
    assert outline.tags.count("svg") == 3
    assert not (path.parent / "confusion.png").exists()
    assert "**This run is unfinished**" in read(path.with_name("report.md"))


def test_a_run_that_has_just_begun_has_a_page(make_workdir):
    workdir = make_workdir(finished=False, points=0, config={"model": 3, "data": {}})
    (workdir / "metrics.jsonl").unlink()
    text = " ".join(Outline(read(page.write_page(workdir))).text)
    assert "No metric has been written yet" in text
    assert "A run" in text


def test_gaps_in_the_numbers_are_told(make_workdir):
    matrix = np.array([[3, 1, 0], [1, 4, 0], [0, 0, 0]])
    workdir = make_workdir(
        labels=("a", "b", "c"), matrix=matrix, test_loss=float("nan"), peak_memory_bytes=None
    )
    text = " ".join(Outline(read(page.write_page(workdir))).text)
    assert "peak memory –" in text
    assert "Means over classes leave out c" in text
    assert "mean recall of 2 classes" in text


def test_the_most_frequent_confusions_come_first():
    test = summary(np.array([[3, 1, 0], [1, 4, 0], [0, 0, 0]]), ("a", "<b>", "c"))
    first, second = re.findall(r"<li>(.*?)<span", sections.mistakes(test, ["a", "<b>", "c"]))
    assert first == "<b>25%</b> of a is taken for <b>&lt;b&gt;</b>"
    assert second == "<b>20%</b> of &lt;b&gt; is taken for <b>a</b>"


def test_a_faultless_run_has_no_confusions():
    test = summary(np.diag([5, 5]), ("a", "b"))
    assert "No test image was classified wrongly" in sections.mistakes(test, ["a", "b"])


@pytest.mark.slow
def test_the_same_run_gives_the_same_files(finished_page):
    files = sorted(finished_page.parent.iterdir())
    before = [file.read_bytes() for file in files]
    assert page.write_page(finished_page.parent.parent) == finished_page
    assert [file.read_bytes() for file in files] == before


@pytest.mark.slow
def test_a_result_that_has_seen_its_test_images_is_marked(make_workdir):
    seen = {"images": 1400, "train": 30, "validation": 0, "earlier": 2, "unchecked": []}
    workdir = make_workdir(points=2, overlap=seen)
    path = page.write_page(workdir)
    text = " ".join(Outline(read(path)).text)
    assert "These scores are too good." in text
    told = "of 1,400 scored images the same pixels stand 30 in the training data, 2 in what"
    assert told in text.replace("Of 1,400", "of 1,400")
    assert told in read(path.with_name("report.md"))
    kept = {"file": "<mine>.csv", "digest": "0a" * 32, "replaced": {"train": 1200, "test": 3}}
    result = {**files.read_json(path.parent.parent / "result.json"), "relabel": kept}
    assert f"1,200 of train, 3 of test; by &lt;mine&gt;.csv, SHA-256 {'0a' * 32}" in sections.method(result)
    none = {**seen, "train": 0, "earlier": 0}
    assert sections.overlap({"overlap": none}) == sections.overlap({}) == ""


@pytest.mark.slow
def test_a_run_without_predictions_says_how_to_get_them(make_workdir):
    path = page.write_page(make_workdir(points=2))
    text = " ".join(Outline(read(path)).text)
    assert "This run kept no predictions." in text
    assert "python -m ferjax evaluate --workdir=" in text
    assert not (path.parent / "reliability.png").exists()


def test_predictions_of_other_weights_are_not_shown(make_run):
    assert read_run(make_run("same", points=2)).test is not None
    assert read_run(make_run("other", points=2, best_step=100)).test is None


@pytest.mark.slow
def test_without_validation_there_is_no_temperature(make_run):
    text = " ".join(Outline(read(page.write_page(make_run(points=2, validation=False)))).text)
    assert "As the network gives them" in text
    assert "With temperature" not in text


def test_damaged_predictions_are_told(make_run):
    workdir = make_run(points=2)
    (workdir / "evaluations" / "fer2013-validation.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"fer2013-validation\.npz is damaged"):
        page.write_page(workdir)


def test_markdown_has_the_same_numbers(finished_page):
    result = files.read_json(finished_page.parent.parent / "result.json")
    text = read(finished_page.with_name("report.md"))
    assert text.startswith("# resemotenet on fer2013\n")
    assert f"{100 * result['test']['accuracy']:.2f}%" in text
    assert "> Claimed by Roy et al. (2024), not measured here and not a target: 79.79%" in text
    for picture in ("curves", "confusion", "classes", "reliability", "risk_coverage"):
        assert f"({picture}.png)" in text
    rows = [line for line in text.splitlines() if line.startswith("| angry")]
    assert len(rows) == 2  # scores and confusions
    numbers = re.findall(r"\d+", rows[1])
    assert list(map(int, numbers)) == result["test"]["confusion_matrix"][0]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("kind", ["finished", "hostile", "unfinished", "comparison"])
def test_a_browser_opens_the_page_without_complaint(make_workdir, make_run, tmp_path, kind):
    path, drawings = {
        "finished": lambda: (page.write_page(make_run()), 7),
        "hostile": lambda: (page.write_page(make_workdir(labels=("a", "b", HOSTILE))), 5),
        "unfinished": lambda: (page.write_page(make_workdir(finished=False)), 3),
        "comparison": lambda: (compared(make_run("<one>"), make_run("two", seed=1)), 5),
    }[kind]()
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<svg") == drawings
    assert "<script" not in done.stdout
