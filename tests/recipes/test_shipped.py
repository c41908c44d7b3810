"""A config is a file, or a recipe that comes with ferjax, by its name."""

from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.recipes import shipped

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_shipped_recipes_are_those_of_the_checkout():
    assert shipped.names() == tuple(sorted(path.stem for path in CONFIGS.glob("*.py")))
    assert shipped.FOLDER.resolve() == CONFIGS


@pytest.mark.parametrize("name", ["resemotenet", "resemotenet.py", "configs/resemotenet.py"])
def test_a_recipe_is_found_by_name_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(shipped.locate(name)).read_text() == (CONFIGS / "resemotenet.py").read_text()


@pytest.mark.parametrize("name", ["resemotenet", "resemotenet.py", "configs/resemotenet.py", "mine/a.cfg"])
def test_a_file_that_exists_wins(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    assert shipped.locate(name) == name


def test_a_folder_of_a_recipes_name_does_not_hide_the_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resemotenet").mkdir()
    assert shipped.locate("resemotenet") == str(shipped.FOLDER / "resemotenet.py")


@pytest.mark.parametrize("name", ["./resemotenet.py", "mine/resemotenet.py", "/resemotenet", "resemotent"])
def test_a_path_to_nothing_is_not_taken_for_a_recipe(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"there is no file {name} and no recipe.*nearest.*resemotenet"):
        shipped.locate(name)
