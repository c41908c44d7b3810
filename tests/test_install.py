"""A wheel, installed outside the checkout, has everything that the checkout has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ferjax import __version__
from ferjax.__main__ import verbs

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
# Reads each recipe as the flag --config of every verb does.
READ = """
import sys
from absl import flags
from ferjax.commands import framework
framework.config_flag()
for recipe in sys.argv[1:]:
    config = flags.FLAGS["config"].parser.parse(f"{recipe}:fer2013,train.epochs=3.0")
    print(recipe, config.data.name, config.train.epochs)
"""
# Each verb as a process of its own would run it, but for the imports of libraries, which take seconds.
HELP = """
import os, sys
import matplotlib.pyplot, scipy.stats, tensorflow_datasets
import ferjax.training.loop
from ferjax import __main__
for verb in sys.argv[1:]:
    child = os.fork()
    if not child:
        sys.argv = ["ferjax", verb, "--help"]
        try:
            __main__.main()
        except SystemExit as end:
            os._exit(end.code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, (verb, code)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs a command in an empty folder, where only the installed ferjax is found."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("ferjax", "configs"):
        shutil.copytree(
            ROOT / name, folder / "source" / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    wheel = [*PIP, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", folder / "source"]
    subprocess.run(wheel, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    site = folder / "site"
    subprocess.run([*PIP, "install", "--no-deps", f"--target={site}", built], check=True)
    empty = folder / "empty"
    empty.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site), "JAX_PLATFORMS": "cpu"}

    def run(*command):
        done = subprocess.run(
            [*map(str, command)], cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return SimpleNamespace(run=run, site=site)


def test_the_version(installed):
    assert installed.run(installed.site / "bin" / "ferjax", "--version") == f"ferjax {__version__}\n"
    assert installed.run(sys.executable, "-m", "ferjax", "--version") == f"ferjax {__version__}\n"


def test_every_recipe_is_found_by_name(installed):
    lines = installed.run(sys.executable, "-c", READ, *RECIPES).splitlines()
    assert lines == [f"{recipe} fer2013 3.0" for recipe in RECIPES]


@pytest.mark.slow
def test_every_verb_starts(installed):
    names = [verb.name for verb in verbs()]
    helps = installed.run(sys.executable, "-c", HELP, *names)
    assert helps.count("`python -m ferjax") >= len(names)


def test_the_python_interface(installed):
    program = "import ferjax as f; print(f.__file__, f.models.create('fer_cnn', num_classes=3).num_classes)"
    assert installed.run(sys.executable, "-c", program) == f"{installed.site}/ferjax/__init__.py 3\n"


def test_types_and_licence_are_shipped(installed):
    assert (installed.site / "ferjax" / "py.typed").is_file()
    assert list(installed.site.glob("ferjax-*.dist-info/licenses/LICENSE"))
