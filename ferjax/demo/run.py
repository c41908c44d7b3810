"""Runs streamlit's command line, as `python -m streamlit` does, and ends on ^C as other commands do."""

import signal
import sys

import click
from streamlit.web import cli


def main() -> None:
    """Runs it to its end."""
    try:
        cli.main(standalone_mode=False)
    except click.Abort:  # click's for ^C
        print("ferjax: interrupted", file=sys.stderr, flush=True)
        sys.exit(128 + signal.SIGINT)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
