"""`python -m ferjax VERB …`: every file in ferjax/commands/ whose `main` is a `ferjax.registry.verb`."""

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ferjax import __version__, commands
from ferjax.commands import framework
from ferjax.errors import BAD_INPUT, UserError
from ferjax.platform import process
from ferjax.registry import VERB_GROUPS, import_object


class Verb(NamedTuple):
    """A command: its name, the module with its `main`, and what `--help` says."""

    name: str
    module: str
    group: str
    help: str


def verbs() -> tuple[Verb, ...]:
    """The commands by group and name, read from the source: importing all would define flags twice."""
    found = [verb for path in Path(commands.__file__).parent.glob("*.py") if (verb := _verb(path))]
    return tuple(sorted(found, key=lambda verb: (VERB_GROUPS.index(verb.group), verb.name)))


def _verb(path: Path) -> Verb | None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "verb":
                    group, help = map(ast.literal_eval, decorator.args)
                    return Verb(path.stem.replace("_", "-"), f"{commands.__name__}.{path.stem}", group, help)
    return None


def usage() -> str:
    """The table of verbs as text."""
    lines = ["usage: python -m ferjax VERB [flags]"]
    group = ""
    for verb in verbs():
        if verb.group != group:
            group = verb.group
            lines += ["", f"{group}:"]
        lines.append(f"  {verb.name:13s} {verb.help}")
    return "\n".join([*lines, "", "VERB --help lists the verb's flags; --version prints ferjax's."])


def main() -> None:
    """Runs the verb of the command line."""
    process.prepare()
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help", "help"):
        framework.answer(usage(), 0 if len(sys.argv) > 1 else BAD_INPUT)
    if sys.argv[1] == "--version":
        framework.answer(f"ferjax {__version__}")
    name, arguments = sys.argv[1], sys.argv[2:]
    framework.run(_main_of(name), [f"ferjax {name}", *arguments])


def _main_of(name: str) -> Callable[[list[str]], int | None]:
    """The function of a verb, or of `package.module:function`."""
    if ":" in name:
        try:
            return import_object(name, "verb")
        except UserError as error:
            framework.fail(error)
    modules = {verb.name: verb.module for verb in verbs()}
    if name not in modules:
        framework.fail(f"unknown verb {name!r}; the verbs are {', '.join(modules)}")
    return importlib.import_module(modules[name]).main


if __name__ == "__main__":
    main()
