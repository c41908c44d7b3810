import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tiny
from planted import clean_rows

from ferjax.audit import page
from ferjax.audit.run import audit, summary
from ferjax.data import builders


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ferjax", "audit", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def leaking(tmp_path):
    """A built FER2013 of which one training image stands in test."""
    tiny.write_csv(tmp_path)
    lines = (tmp_path / "fer2013.csv").read_text().splitlines()
    lines[150] = lines[5].replace("Training", "PublicTest")
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    builders.build(builders.create("fer2013", tmp_path / "data", manual_dir=tmp_path))
    return tmp_path / "data"


@pytest.mark.slow
def test_the_command_tells_and_writes(leaking, tmp_path):
    run = command("fer2013", f"--data_dir={leaking}")
    assert run.returncode == 0, run.stderr
    assert "SERIOUS  1 image of train also in validation, pixel for pixel" in run.stdout
    folder = builders.folder("fer2013", leaking) / "audit"
    assert str(folder / "audit.html") in run.stdout
    report = json.loads((folder / "audit.json").read_text())
    assert report["exact"]["across"]["train/validation"] == 1
    strict = command("fer2013", f"--data_dir={leaking}", f"--out={tmp_path / 'out'}", "--strict")
    assert strict.returncode == 1, strict.stderr
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["findings"] == report["findings"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fer201"], "there is no data set 'fer201'; the nearest names are fer2013"),
        (["fer2013"], "fer2013 is not built in"),
        ([], "audit takes one name"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, told, tmp_path):
    run = command(*arguments, f"--data_dir={tmp_path}")
    assert (run.returncode, run.stdout) == (2, "")
    assert told in run.stderr.strip().splitlines()[-1]
    assert "Traceback" not in run.stderr


def test_an_out_that_is_a_file(leaking, tmp_path):
    (tmp_path / "file").touch()
    run = command("fer2013", f"--data_dir={leaking}", f"--out={tmp_path / 'file'}")
    assert run.returncode == 2
    assert "--out names another folder" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_clean_set_says_so(audited):
    report = audited(clean_rows())
    assert summary(report) == (
        "grouped: 28 images in train, 14 images in validation, 14 images in test\nnothing was found"
    )


def test_the_page_shows_the_pairs_and_needs_nothing_else(build_set, tmp_path):
    rows = clean_rows()
    rows[50] = ("test", (rows[5][1] + 1) % 7, "t", rows[5][3])
    rows[51] = ("test", rows[9][1], "u", (rows[9][3] * 0.9 + 9).astype(np.uint8))
    rows[0] = ("train", 0, "<script>", rows[0][3])
    rows[44] = (*rows[44][:2], "<script>", rows[44][3])
    folder = builders.folder("grouped", build_set(rows))
    report = audit("grouped", folder, {"train": {"angry": 400}})
    page.write_page(report, folder, tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text()
    assert text.count('src="data:image/png;base64,') == 4
    assert "1 image of train also in test, pixel for pixel" in text
    assert "published 400" in text
    assert "as &lt;script&gt;" in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
