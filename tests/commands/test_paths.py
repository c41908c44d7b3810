"""Paths of flags, arguments and config fields are read in one way."""

import ast
from pathlib import Path

import pytest
import tiny

from ferjax import commands
from ferjax.config import defaults, validate
from ferjax.errors import UserError

PLACES = ("older", "file", " place")
TEXT_FLAGS = ("flags.DEFINE_string", "flags.DEFINE_list", "flags.DEFINE_multi_string")


def test_every_flag_that_names_a_place_is_a_path_flag():
    """Flags of other kinds whose help speaks of files or folders: the ones that take patterns too."""
    others = set()
    for path in Path(commands.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in TEXT_FLAGS:
                name, *rest = [str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)]
                if any(word in text for text in rest for word in PLACES):
                    others.add(f"{path.stem} --{name}")
    assert others == {"explain --images"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", f"--config={tiny.CONFIG}", "--workdir=gs://bucket/run"],
        ["train", "--config=gs://bucket/config.py"],
        ["train", f"--config={tiny.CONFIG}", "--workdir=none", "--config.data.dir=s3://b"],
        ["prepare", "fer2013", "--data_dir=gs://bucket/sets"],
        ["prepare", "fer2013", "--manual_dir=http://host/x.zip"],
        ["report", "gs://bucket/run"],
        ["compare", "a", "gs://bucket/run"],
        ["torch-import", "https://host/a.pth", "--model=resnet18", "--out=x"],
        ["torch-export", "gs://bucket/run", "--out=x.pth"],
    ],
)
def test_addresses_are_refused_and_make_no_folder(shell, arguments):
    line = tiny.only_line(shell(*arguments))
    assert "is an address, and only files and folders of this machine can be used" in line
    assert not any(Path(scheme).exists() for scheme in ("gs:", "s3:", "http:", "https:"))


@pytest.mark.parametrize("field", ["data.dir", "init.from"])
@pytest.mark.parametrize("value", ["gs://bucket/x", "l" * 300, "~nobody-of-that-name"])
def test_config_fields_take_places_of_this_machine(field, value):
    config = defaults()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=f"config field {field}: "):
        validate(config)
