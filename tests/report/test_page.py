import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from ferjax import metrics
from ferjax.report import page, sections

HOSTILE = "</title><script>alert('&')</script>"


class Outline(HTMLParser):
    """Collects tags and text, and checks that every tag closes."""

    VOID = frozenset({"meta", "link", "path", "use", "rect"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    return path.read_text(encoding="utf-8")


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
    ):
        assert expected in text
    assert outline.tags.count("svg") == 4
    assert sorted(p.name for p in finished_page.parent.iterdir()) == [
        "confusion.png",
        "confusion.svg",
        "curves.png",
        "curves.svg",
        "index.html",
    ]


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
    test = metrics.summary(np.array([[3, 1, 0], [1, 4, 0], [0, 0, 0]]), ("a", "<b>", "c"))
    first, second = re.findall(r"<li>(.*?)<span", sections.mistakes(test, ["a", "<b>", "c"]))
    assert first == "<b>25%</b> of a is taken for <b>&lt;b&gt;</b>"
    assert second == "<b>20%</b> of &lt;b&gt; is taken for <b>a</b>"


def test_a_faultless_run_has_no_confusions():
    test = metrics.summary(np.diag([5, 5]), ("a", "b"))
    assert "No test image was classified wrongly" in sections.mistakes(test, ["a", "b"])


def test_the_same_run_gives_the_same_files(finished_page):
    names = ("index.html", "curves.svg", "confusion.svg", "curves.png", "confusion.png")
    files = [finished_page.with_name(name) for name in names]
    before = [file.read_bytes() for file in files]
    assert page.write_page(finished_page.parent.parent) == finished_page
    assert [file.read_bytes() for file in files] == before


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("finished", [True, False])
def test_a_browser_opens_the_page_without_complaint(make_workdir, tmp_path, finished):
    path = page.write_page(make_workdir(finished=finished, labels=(*("a", "b"), HOSTILE)))
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
    assert done.stdout.count("<svg") == (4 if finished else 3)
    assert "<script" not in done.stdout
