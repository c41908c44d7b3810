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
        ["train", f"--config={tiny.CONFIG}", "--workdir=hdfs://host/run"],
        ["train", "--config=gs://bucket/config.py"],
        ["train", f"--config={tiny.CONFIG}", "--workdir=none", "--config.data.dir=hdfs://b"],
        ["prepare", "fer2013", "--data_dir=hdfs://host/sets"],
        ["prepare", "fer2013", "--manual_dir=http://host/x.zip"],
        ["report", "hdfs://host/run"],
        ["compare", "a", "hdfs://host/run"],
        ["torch-import", "https://host/a.pth", "--model=resnet18", "--out=x"],
        ["torch-export", "hdfs://host/run", "--out=x.pth"],
    ],
)
def test_addresses_of_other_kinds_are_refused_and_make_no_folder(shell, arguments):
    line = tiny.only_line(shell(*arguments))
    assert "is an address of a kind that cannot be used" in line or "a config file is a program" in line
    assert not any(Path(scheme).exists() for scheme in ("gs:", "hdfs:", "http:", "https:"))


@pytest.mark.parametrize("field", ["data.dir", "init.from"])
@pytest.mark.parametrize("value", ["hdfs://bucket/x", "s3://", "l" * 300, "~nobody-of-that-name"])
def test_config_fields_take_places(field, value):
    config = defaults()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=f"config field {field}: "):
        validate(config)
