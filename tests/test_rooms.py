"""The order of ferjax's rooms: which packages may import which, lazy imports included."""

import ast
import graphlib
from pathlib import Path

import pytest

import ferjax

ROOT = Path(ferjax.__file__).parent
MOST_FILES_IN_THE_ROOT = 6

# room → rooms that it must not import
FORBIDDEN = {
    "data": {"audit", "augment", "bulk", "cluster", "commands", "cost_model", "demo", "deploy", "experiments",
             "explain", "inference", "interop", "layers", "models", "report", "runs", "scores", "serve",
             "training"},
    "augment": {"models", "runs", "training"},
    "layers": {"augment", "data", "models", "runs", "training"},
    "models": {"runs", "training"},
    "training": {"audit", "bulk", "commands", "demo", "deploy", "experiments", "explain", "hub",
                 "leaderboard", "pack", "report", "serve", "tracking", "tune", "web"},
    "config": {"cluster", "commands", "inference", "report", "runs", "training"},
    "runs": {"commands", "inference", "models", "report", "training"},
    "scores": {"commands", "data", "models", "report", "runs", "training"},
    "cluster": {"commands", "data", "models", "report", "runs", "training"},
    "platform": {"cluster", "commands", "config", "data", "models", "report", "runs", "training"},
    "inference": {"bulk", "commands", "demo", "deploy", "experiments", "explain", "hub", "report", "serve",
                  "web"},
    "hub": {"bulk", "commands", "deploy", "models", "report", "serve", "training", "web"},
    "tracking": {"commands", "deploy", "inference", "models", "report", "serve", "web"},
    "bulk": {"commands", "demo", "experiments", "explain", "hub", "report", "serve", "web"},
    "report": {"bulk", "commands", "deploy", "experiments", "explain", "hub", "inference", "serve", "web"},
    "deploy": {"bulk", "commands", "demo", "experiments", "explain", "hub", "serve", "tracking", "web"},
    "serve": {"bulk", "commands", "demo", "experiments", "explain", "hub", "training"},
    "web": {"bulk", "commands", "demo", "experiments", "hub", "serve", "training"},
}  # fmt: skip


def module_files():
    """Dotted name → file of every module."""
    files = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(["ferjax", *path.relative_to(ROOT).with_suffix("").parts])
        files[name.removesuffix(".__init__")] = path
    return files


def only_for_types(tree):
    """The nodes under `if TYPE_CHECKING:`, which no program runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for inner in node.body:
                yield from ast.walk(inner)


def imports_of(source, name, package, modules):
    """The modules of ferjax that a module imports, at its top or inside a function."""
    tree = ast.parse(source)
    skipped = {id(node) for node in only_for_types(tree)}
    imported = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".") if package else name.split(".")[:-1]
            base = parts[: len(parts) + 1 - node.level] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{target}.{alias.name}"
                imported.add(inner if inner in modules else target)
    return {module for module in imported if module in modules} - {name}


@pytest.fixture(scope="module")
def graph():
    """Module → modules that it imports."""
    files = module_files()
    return {
        name: imports_of(path.read_text(), name, path.name == "__init__.py", files)
        for name, path in files.items()
    }


def room(module):
    """The folder under ferjax/ that a module lies in; its own name if it lies in the root."""
    return module.split(".")[1] if "." in module else module


def test_modules_import_each_other_in_no_circle(graph):
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_few_files_lie_in_the_root():
    loose = [path.name for path in ROOT.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MOST_FILES_IN_THE_ROOT, loose


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_room_leaves_others_alone(graph, name):
    assert (ROOT / name).is_dir()
    assert not FORBIDDEN[name] - {path.name for path in ROOT.iterdir()}  # each of them is a room
    wrong = [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in targets
        if room(module) == name and room(target) in FORBIDDEN[name]
    ]
    assert not wrong


def test_data_imports_no_jax():
    """Its worker processes must stay small."""
    for path in sorted((ROOT / "data").rglob("*.py")):
        names = [
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        assert not {"jax", "flax", "optax"} & {(each or "").partition(".")[0] for each in names}, path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import ferjax.data.labels", {"ferjax.data.labels"}),
        ("from ferjax.data import labels, jpeg", {"ferjax.data.labels", "ferjax.data.jpeg"}),
        ("from ferjax.errors import UserError", {"ferjax.errors"}),
        ("from .labels import FER7", {"ferjax.data.labels"}),
        ("from . import labels", {"ferjax.data.labels"}),
        ("from ..errors import UserError", {"ferjax.errors"}),
        ("def late():\n    from ferjax.training import loop", {"ferjax.training.loop"}),
        ("if TYPE_CHECKING:\n    from ferjax.training import loop", set()),
        ("if typing.TYPE_CHECKING:\n    import x\nelse:\n    from ferjax import errors", {"ferjax.errors"}),
        ("import numpy", set()),
    ],
)
def test_every_way_to_import_is_seen(source, expected):
    assert imports_of(source, "ferjax.data.sources", package=False, modules=module_files()) == expected
