"""`make` takes the newest Python that ferjax knows, of those that run."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
VERSIONS = [row.rpartition(" ")[2] for row in CLASSIFIERS if "Python :: 3." in row]


@pytest.fixture
def chosen(tmp_path):
    """What `make` says it would run, where the Pythons on the path are as given: name → exit code."""

    def make(**exit_codes):
        folder = tmp_path / "bin"
        folder.mkdir()
        for tool in ("make", "sh", "ls"):
            (folder / tool).symlink_to(shutil.which(tool))
        for name, code in exit_codes.items():
            (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
            (folder / name).chmod(0o755)
        return subprocess.run(
            ["make", "--dry-run", f"VENV={tmp_path / 'venv'}", "train"],
            cwd=ROOT, env={"PATH": str(folder)}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    return make


def test_the_newest_is_taken(chosen):
    assert f"python{VERSIONS[-1]} -m venv" in chosen(python3=0, **{f"python{v}": 0 for v in VERSIONS})


def test_a_shim_that_does_not_run_is_passed_over(chosen):
    assert "python3.12 -m venv" in chosen(
        **{"python3.14": 127, "python3.13": 1, "python3.12": 0, "python3": 0}
    )


def test_python3_is_the_last_resort(chosen):
    assert "python3 -m venv" in chosen(python3=0)


def test_none_is_told(chosen):
    assert 'test -n "" || { echo "ferjax needs Python 3.11 to 3.14' in chosen(python3=1)
