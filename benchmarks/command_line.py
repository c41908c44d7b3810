"""The parser of a benchmark's command line, and arguments that several have."""

import argparse
from collections.abc import Callable, Collection
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose --help shows the benchmark's docstring as it is written."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """The type of an argument that names some of these, separated by commas."""

    def named(text: str) -> list[str]:
        names = text.split(",")
        if unknown := sorted({*names} - {*known}):
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return named


def several(kind: type[_Number]) -> Callable[[str], list[_Number]]:
    """The type of an argument of several numbers, separated by commas."""

    def numbers(text: str) -> list[_Number]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: write numbers separated by commas") from None

    return numbers
