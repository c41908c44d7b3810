"""The documentation says what the code does: commands, imports and rooms. (`make docs` checks links.)"""

import ast
import importlib
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from ferjax.__main__ import verbs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAIN_FOLDERS = ["ferjax", "configs", "benchmarks", "tests", "launch", "docs"]
REAL = [page for page in PAGES if page.stem != "extend"]  # its files are examples


def test_every_verb_has_help_and_the_page_of_commands_shows_it(shell):
    def help_of(*arguments):
        done = shell(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done.stderr)
        if arguments != ("--help",):
            assert done.stdout.startswith("`python -m ferjax"), (arguments, done.stdout)
        return done.stdout

    path = ROOT / "docs" / "make_commands_page.py"
    spec = importlib.util.spec_from_file_location("make_commands_page", path)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = maker.page(help_of)
    assert all(f"## {verb.name}\n" in page for verb in verbs())
    assert page == maker.PAGE.read_text(), "run python docs/make_commands_page.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_examples_import_exists(page):
    for block in re.findall(r"^```python.*?\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "ferjax":
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.stem)
def test_links_of_the_front_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)|src=\"([^\"]+)\"", page.read_text())
    paths = [link or source for link, source in links if "://" not in link]
    assert len(paths) > 1
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", REAL, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    named = re.findall(rf"`((?:{'|'.join(MAIN_FOLDERS)})/[^`\s]*)`", page.read_text())
    paths = [path for path in named if not re.search(r"[A-Z…]{2}|NAME|…", path)]
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_room_has_a_row_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.parent.name for path in (ROOT / "ferjax").glob("*/__init__.py")}
    assert {room for room in rooms if f"\n| `{room}/` |" not in page} == set()


def test_a_room_imports_only_rooms_above_it_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [
        room for room in re.findall(r"^\| `(\w+)/`", page, flags=re.MULTILINE) if room not in MAIN_FOLDERS
    ]
    upwards = set()
    for path in (ROOT / "ferjax").rglob("*.py"):
        room = path.relative_to(ROOT / "ferjax").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if room in rooms and isinstance(node, ast.ImportFrom) and node.module.startswith("ferjax"):
                names = [alias.name for alias in node.names] if node.module == "ferjax" else []
                imported = {*names, *node.module.split(".")[1:2]} & set(rooms)
                upwards |= {(room, other) for other in imported if rooms.index(other) > rooms.index(room)}
    assert upwards == {
        ("config", "models"), ("pretrained", "inference"), ("training", "inference"), ("training", "interop"),
    }  # fmt: skip


def test_every_extra_is_in_the_installation_guide():
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    table = (ROOT / "docs" / "install.md").read_text().partition("## Extras")[2]
    named = set(re.findall(r"`([\w-]+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE))))
    assert named == extras - {"faces"}  # which is empty, and kept for commands of earlier versions
