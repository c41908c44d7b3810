"""Writes docs/reference/commands.md: every verb with its flags, as `ferjax VERB --help` prints them.

python docs/make_commands_page.py
"""

import html
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PAGE = Path(__file__).parent / "reference" / "commands.md"
_INTRODUCTION = """\
# Commands

Made from `--help` by `make docs`. `ferjax VERB …` and `python -m ferjax VERB …` are the same. Each exits
with 0 when it has done its work, with 2 and one line when its input is wrong. Flags that begin with
`--config.` change a [field of the configuration](../configuration.md).
"""
# What absl prints below a flag's help.
_NOTE = re.compile(r"\((default: '(?P<default>.*)'|(?P<kind>an? .*|number .*|integer .*|.* integer))\)")


def page(help_of: Callable[..., str]) -> str:
    """Returns the page's text.

    Args:
        help_of: gives what `ferjax ARGUMENTS…` prints.
    """
    rows = re.findall(r"^(\S.*):$|^  ([a-z][a-z-]*) +(\S.*)$", help_of("--help"), flags=re.MULTILINE)
    table = ["| verb | what it does |", "|---|---|"]
    for group, verb, what in rows:
        table.append(f"| **{group}** | |" if group else f"| [`{verb}`](#{verb}) | {what} |")
    sections = [_section(verb, help_of(verb, "--help")) for _, verb, _ in rows if verb]
    return "\n".join([_INTRODUCTION, *table, "", "\n\n".join(sections), ""])


def _section(verb: str, text: str) -> str:
    """Returns a verb's heading, its module's docstring and the table of its flags."""
    introduction, _, flags = text.partition("\nferjax.")
    rows = [f"| {' | '.join(row)} |" for row in _flags(flags)]
    head = ["", "| flag | default | what it sets |", "|---|---|---|"] if rows else []
    return "\n".join([f"## {verb}", "", introduction.strip(), *head, *rows])


def _flags(text: str) -> Iterator[tuple[str, str, str]]:
    """Yields name, default and help of each flag, as cells of a Markdown table."""
    for flag in re.split(r"\n  (?=--)", text)[1:]:
        name, _, rest = flag.partition(": ") if ": " in flag.split("\n")[0] else flag.partition(":")
        words, default = [], ""
        for line in map(str.strip, rest.split("\n")):
            note = _NOTE.fullmatch(line)
            if note is None:
                words.append(line)
            elif note["default"] not in (None, "", "None", "[]"):
                default = f"`{note['default']}`"
        sentence = " ".join(words).replace(".; repeat this option to specify a list of values", ".")
        yield f"`{name}`", default, _cell(sentence.strip())


def _cell(text: str) -> str:
    """Returns a flag's help as Markdown that shows it as it is; its choices as code."""
    choices, words = re.fullmatch(r"(?:<(.*?)>: )?(.*)", text).groups()
    words = re.sub(r"([|*\[\]])", r"\\\1", html.escape(words, quote=False))
    return f"{', '.join(f'`{choice}`' for choice in choices.split('|'))}: {words}" if choices else words


def _command(*arguments: str) -> str:
    """Runs ferjax and returns what it prints."""
    command = [sys.executable, "-m", "ferjax", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(_command))


if __name__ == "__main__":
    main()
