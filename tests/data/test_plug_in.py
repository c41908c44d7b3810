"""Data sets of the user's own, and how ferjax finds its own ones."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from ferjax.data import builders, load, sets
from ferjax.data.sets.jaffe import JAFFE
from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.registry import DATA_SETS

# All that a stranger writes to add a set.
FILE = """
    import tensorflow_datasets as tfds

    from ferjax.data.builders.image_files import image_paths
    from ferjax.data.builders.image_items import Item
    from ferjax.data.builders.image_sets import ImageSetBuilder
    from ferjax.data.labels import FER7
    from ferjax.registry import data_set

    CODES = {str(number): name for number, name in enumerate(reversed(FER7))}


    @data_set("smiles")
    class Smiles(ImageSetBuilder):
        VERSION = tfds.core.Version("1.0.0")
        MANUAL_DOWNLOAD_INSTRUCTIONS = "files named like train_3_001.png"
        IMAGE_SHAPE = (24, 24, 1)
        PUBLISHED = {"train": {"total": 56}, "test": {"total": 14}}

        def items(self, folder):
            for path in image_paths(folder, folder):
                split, code, _ = path.stem.split("_")
                if label := self.meaning(CODES, code, str(path)):
                    yield Item(split, path, label, path.name)
"""


def write_package(folder, text=FILE):
    """The package `own_faces` in `folder`, with the one file `smiles.py`."""
    (folder / "own_faces").mkdir()
    (folder / "own_faces" / "smiles.py").write_text(textwrap.dedent(text))


def write_images(folder):
    generator = np.random.default_rng(3)
    folder.mkdir()
    for split, count in (("train", 56), ("test", 14)):
        for number in range(count):
            pixels = generator.integers(0, 256, (24, 24), np.uint8)
            Image.fromarray(pixels).save(folder / f"{split}_{number % 7}_{number:03}.png")


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """The folder is on Python's path; what is imported from it is forgotten at the end."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_faces")]:
        del sys.modules[name]
    DATA_SETS._entries.pop("smiles", None)


@pytest.mark.slow
def test_a_set_in_one_file_is_prepared_and_trained_on(tmp_path, tiny_run, tiny_model):
    write_package(tmp_path)
    write_images(tmp_path / "images")
    name, data = "own_faces.smiles:Smiles", tmp_path / "data"
    path = {"PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))}
    arguments = ["prepare", name, f"--manual_dir={tmp_path / 'images'}", f"--data_dir={data}"]
    with tiny.Command(tiny.separate_process(arguments, tiny_run.compiled, **path)) as command:
        assert command.finish() == 0, command.text
    assert "all numbers are the published ones" in command.text
    assert (data / "smiles" / "1.0.0").is_dir()

    workdir = tmp_path / "run"
    flags = [f"--config.data.name={name}", f"--config.data.dir={data}", "--config.train.max_steps=2"]
    arguments = tiny.train_arguments(data, workdir, *flags)
    with tiny.Command(tiny.separate_process(arguments, tiny_run.compiled, **path)) as command:
        assert command.finish() == 0, command.text
    result = json.loads((workdir / "result.json").read_text())
    assert (result["dataset"], result["steps"]) == (name, 2)
    # What the run recorded is enough for predictions: neither the package nor the set is needed.
    network = open_network(workdir)
    assert network.grey
    assert network.config.data.name == name


def test_a_set_in_one_file_is_loaded(importable):
    write_package(importable)
    write_images(importable / "images")
    name, data = "own_faces.smiles:Smiles", importable / "data"
    with pytest.raises(
        UserError, match=r"own_faces.smiles:Smiles is not built in .*train_3_001\.png; then run"
    ):
        load(name, "test", data)
    builders.build(builders.create(name, data, manual_dir=importable / "images"))
    assert builders.folder(name, data) == data / "smiles" / "1.0.0"
    for cache in ("memory", "disk", "stream"):
        source = load(name, "test", data, channels=3, cache=cache)
        assert (len(source), source.grey, source.image_shape) == (14, True, (24, 24, 3))
    assert source.label_names[source.labels[0]] == "neutral"
    # Once its file is imported, the set also has its short name.
    assert builders.builder_class("smiles") is builders.builder_class(name)


OWN = "class Set(LicensedBuilder, skip_registration=True):\n    "
WRONG = {
    "no such module": ("", "own_faces.nowhere:Set", r"cannot import 'own_faces.nowhere' .*No module named"),
    "a broken module": ("1 / 0", "own_faces.smiles:Set", r"cannot import .*ZeroDivisionError: div"),
    "no such class": ("Smiles = 1", "own_faces.smiles:Smile", r"has no 'Smile' .*it has Smiles"),
    "no class": ("Set = 1", "own_faces.smiles:Set", "is no TFDS builder class"),
    "another class": ("class Set: pass", "own_faces.smiles:Set", "is no TFDS builder class"),
    "no parsing": (OWN + "VERSION = '1.0.0'", "own_faces.smiles:Set", "lacks the method examples"),
    "no version": (OWN + "examples = 1", "own_faces.smiles:Set", "has no VERSION"),
    "no safe name": (
        OWN + "examples, VERSION, name = 1, '1.0.0', '../set'", "own_faces.smiles:Set",
        r"would be built in a folder called '\.\./set'",
    ),
    "a name of ferjax": (
        OWN + "examples, VERSION, name = 1, '1.0.0', 'fer2013'", "own_faces.smiles:Set",
        "would be built in the folder of the data set 'fer2013'; give the class another",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_builder_that_cannot_be_used_is_told_in_one_line(importable, case):
    text, name, told = WRONG[case]
    write_package(importable, "from ferjax.data.builders.base import LicensedBuilder\n" + text)
    for use in (builders.folder, builders.create, lambda name: load(name, "train", importable)):
        with pytest.raises(UserError, match=told) as caught:
            use(name)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) <= 400


def test_a_new_file_in_the_folder_of_sets_is_found(tmp_path):
    (tmp_path / "smiles.py").write_text(textwrap.dedent(FILE))
    code = f"""
        from ferjax.data import builders, sets
        sets.__path__.append({str(tmp_path)!r})
        assert "smiles" in builders.names() and "fer2013" in builders.names()
        print(builders.folder("smiles", "data"))
    """
    assert printed(code) == "data/smiles/1.0.0\n"


def printed(code):
    """What some code prints in a process of its own."""
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_every_file_of_the_folder_of_sets_registers_a_set():
    files = {path.stem for path in Path(sets.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {entry.target.__module__.rpartition(".")[2] for entry in DATA_SETS.entries()}
    assert builders.names() == (
        "affectnet7", "affectnet8", "ckplus", "expw", "fer2013", "ferg", "ferplus", "folder", "jaffe",
        "rafdb", "taiwan", "toons/avataaars", "toons/avataaars_copies", "toons/avataaars_noisy",
        "toons/open_peeps",
    )  # fmt: skip


def test_a_class_may_be_named_by_its_path_too():
    assert builders.builder_class("ferjax.data.sets.jaffe:JAFFE") is JAFFE
    assert builders.folder("ferjax.data.sets.jaffe:JAFFE", "data") == builders.folder("jaffe", "data")


def test_naming_a_set_imports_nothing_heavy():
    heavy = ("jax", "flax", "grain", "torch", "tensorflow", "apache_beam", "resvg_py", "dicebear")
    code = f"""
        import sys
        from ferjax.data import builders
        assert builders.folder("jaffe").name == "1.0.0"
        print([name for name in {heavy} if name in sys.modules])
    """
    assert printed(code) == "[]\n"


def test_data_needs_no_jax():
    code = """
        import importlib, pkgutil, sys
        sys.modules["jax"] = None  # an import of it fails; Grain imports it only where it is installed
        import numpy as np
        import ferjax.data
        for module in pkgutil.walk_packages(ferjax.data.__path__, "ferjax.data."):
            if not module.name.endswith("beam_pipeline"):  # an optional extra
                importlib.import_module(module.name)
        from ferjax.data.pipeline import train_batches
        from ferjax.data.memory_source import MemorySource
        images = np.zeros((8, 4, 4, 1), np.uint8)
        source = MemorySource(images, np.arange(8) % 2, label_names="ab", name="a", split="train")
        print(next(train_batches(source, batch_size=4, seed=0))["image"].shape)
    """
    assert printed(code) == "(4, 4, 4, 1)\n"


def test_the_documentation_lists_every_set_and_option():
    text = (Path(__file__).parents[2] / "docs" / "data_sets.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    for entry in DATA_SETS.entries():
        builder = entry.target
        if not builders.is_licensed(builder):
            continue  # the toons have a page of their own
        mine = [row for row in rows if f"`{entry.name}`" in row[0]]
        assert mine, entry.name
        for option, (default, _) in builder.OPTIONS.items():
            assert any(row[1] == f"`{option}`" and row[2] == default for row in mine), (entry.name, option)
        side, _, channels = builder.IMAGE_SHAPE
        stored = next(row[4] for row in mine if len(row) == 6)
        assert ("grey" in stored) == (channels == 1)
        assert side is None or f"{side}×{side}" in stored
