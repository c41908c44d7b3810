"""How every command starts: absl flags, one-line errors, honest exit codes."""

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial

from absl import app, flags

from ferjax.errors import UserError

BAD_INPUT = 2


def fail(message: object) -> None:
    """Prints one line that says what is wrong and exits with code 2."""
    line = " ".join(str(message).split())
    print(f"ferjax: error: {line}", file=sys.stderr, flush=True)
    sys.exit(BAD_INPUT)


def _help(main: Callable) -> None:
    """Prints a command's docstring and its own flags. (absl's --help exits with 1 and shows absl's flags.)"""
    module = sys.modules[main.__module__]
    own = module.__name__ == "__main__"
    print(inspect.getdoc(module))
    print(flags.FLAGS.main_module_help() if own else flags.FLAGS.module_help(module.__name__))
    sys.exit(0)


def _parse(main: Callable, argv: Sequence[str]) -> list[str]:
    if {"-h", "-help", "--help"} & set(argv[1:]):
        _help(main)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        fail(f"{error} (--help lists the flags)")
    except (AttributeError, KeyError, TypeError, ValueError, OSError, SyntaxError, UserError) as error:
        # A config file that cannot be read, or a --config.x override that does not fit, ends here.
        fail(error.args[0] if isinstance(error, KeyError) else error)
    raise AssertionError("unreachable")


def run(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> None:
    """Parses flags, calls `main(argv)` and exits with what it returns (None is 0).

    Args:
        main: takes the arguments left after the flags (program name first).
        argv: the command line, `sys.argv` if left out.

    Bad flags and `UserError` become one line on stderr and exit code 2.
    """

    def guarded(rest: list[str]) -> int | None:
        # JAX tells of every accelerator that the machine lacks.
        logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
        try:
            return main(rest)
        except UserError as error:
            fail(error)

    app.run(guarded, argv=list(argv) if argv is not None else None, flags_parser=partial(_parse, main))
