"""Finds the recipes that come with ferjax by their names, from any folder."""

from pathlib import Path

from ferjax.errors import UserError, nearest

# A link to the checkout's `configs/`; in a wheel a folder of the same files.
FOLDER = Path(__file__).parents[1] / "configs"


def names() -> tuple[str, ...]:
    """Returns the names of the shipped recipes, sorted, such as `resemotenet`."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.py")))


def locate(name: str) -> str:
    """Returns the path of a config file, or of a shipped recipe.

    Args:
        name: a file's path; or, where there is no such file, `NAME`, `NAME.py` or `configs/NAME.py` of a
            shipped recipe.

    Raises:
        UserError: there is neither; the nearest recipes are listed.
    """
    if Path(name).is_file():
        return name
    recipe = name.removeprefix("configs/").removesuffix(".py")
    if recipe in names():
        return str(FOLDER / f"{recipe}.py")
    if not name or Path(name).exists():
        return name  # a folder or a pipe: whoever opens it says what is wrong
    raise UserError(
        f"cannot read the config file: there is no file {name} and no recipe of that name; the nearest "
        f"recipes are {nearest(Path(name).stem, names())}"
    )
