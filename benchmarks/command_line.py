"""The parser of a benchmark's command line."""

import argparse


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose --help shows the benchmark's docstring as it is written."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
