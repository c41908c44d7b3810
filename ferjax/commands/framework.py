"""How every command starts: absl flags, one-line errors, honest exit codes."""

import atexit
import gc
import inspect
import io
import keyword
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NoReturn

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags
from ml_collections.config_flags.config_flags import ConfigFileFlagParser, is_config_flag

from ferjax.errors import BAD_INPUT, UserError
from ferjax.files import DISK_FULL, place, user_path
from ferjax.hub.address import SCHEME
from ferjax.platform import console
from ferjax.platform.failures import describe_failure
from ferjax.recipes import shipped
from ferjax.storage import mirrors

# What the flags of commands may hold; narrower limits stand where a flag is defined.
_LARGEST_COUNT, _LARGEST_NUMBER = 2**32 - 1, 1e9

# What `config_flag` defines belongs to the command that calls it.
flags.disclaim_key_flags()


def fail(message: object) -> NoReturn:
    """Prints one line that says what is wrong and exits with code 2."""
    console.print_error(mirrors.shown(str(message)))
    sys.exit(BAD_INPUT)


def _reader_left() -> int:
    """Drops further output after the reader, such as `head`, has closed the pipe; returns the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def answer(text: str, code: int = 0) -> NoReturn:
    """Prints a text instead of running a command, such as its help, and exits."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        code = _reader_left()
    sys.exit(code)


def _stored_config(path: str) -> ConfigDict:
    """Reads the `config.json` of a run, as the config of another one."""
    from ferjax.runs.config_check import read_config  # these import jax, which not all commands need
    from ferjax.runs.stored_config import completed

    place = user_path(path)
    return completed(read_config(place), place)


class _RecipeParser(ConfigFileFlagParser):
    """Reads a config from a file, from a shipped recipe by its name, or from a run's `config.json`."""

    def parse(self, path: str) -> ConfigDict:
        if path.partition(":")[2].startswith("//"):
            raise UserError(
                f"{path} is an address, and a config file is a program: read it, and name a file on this disk"
            )
        file, colon, argument = path.partition(":")
        if file.endswith(".json"):
            return _stored_config(path)
        return super().parse(shipped.locate(file and str(user_path(file))) + colon + argument)


def config_flag(
    name: str = "config",
    default: str | None = None,
    help_string: str = "A recipe's name or a config file: RECIPE[:DATASET[,recipe=strong][,key=value…]].",
) -> flags.FlagHolder:
    """Defines a flag that takes a config, and the flags `--name.group.field=value` that change its fields.

    Args:
        name: the flag's name.
        default: what is read if the flag is not given; None: its value is None then.
        help_string: its text in `--help`.
    """
    holder = config_flags.DEFINE_config_file(name, None, help_string)
    flags.FLAGS[name].parser = _RecipeParser(name)
    if default is not None:
        flags.set_default(holder, default)
    return holder


class _PathParser(flags.ArgumentParser):
    """Reads a path, see `ferjax.files.user_path`; an empty one stays empty."""

    syntactic_help = "a path"

    def __init__(self, fetch: bool) -> None:
        self._read = user_path if fetch else place

    def parse(self, argument: str) -> str:
        """Returns the path without `~`, of this machine unless an address is to stay one."""
        return argument and str(self._read(argument))

    def flag_type(self) -> str:
        return "path"


class _NetworkParser(_PathParser):
    """Reads the path of a network, or the address of one on a hub, which stays as it is."""

    def parse(self, argument: str) -> str:
        return argument if argument.startswith(SCHEME) else super().parse(argument)


def network_flag(name: str, help_string: str) -> flags.FlagHolder:
    """Defines a flag that takes a run, a bundle or hf://OWNER/NAME; empty if it is not given.

    Args:
        name: the flag's name.
        help_string: its text in `--help`.
    """
    return flags.DEFINE(
        _NetworkParser(fetch=True), name, "", help_string, serializer=flags.ArgumentSerializer()
    )


def path_flag(
    name: str,
    default: str | None,
    help_string: str,
    required: bool = False,
    several: bool = False,
    fetch: bool = True,
) -> flags.FlagHolder:
    """Defines a flag that takes a file or a folder; its value is text without `~`.

    Args:
        name: the flag's name.
        default: its value if it is not given.
        help_string: its text in `--help`.
        required: it must be given.
        several: it may be given several times; its value is a list.
        fetch: an address becomes the path of its copy; otherwise it stays an address.
    """
    parser, serializer = _PathParser(fetch), flags.ArgumentSerializer()
    if several:
        return flags.DEFINE_multi(parser, serializer, name, [], help_string)
    return flags.DEFINE(parser, name, default, help_string, serializer=serializer, required=required)


def queue_flag() -> flags.FlagHolder:
    """Defines the flag `--queue` of commands that train many runs."""
    return flags.DEFINE_bool(
        "queue",
        False,
        "Share the runs with the same command in other processes, on any machine that sees the workdir.",
    )


def no_arguments(argv: Sequence[str]) -> None:
    """Raises UserError if the command line holds anything but flags (`argv` as `main` takes it)."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; flags begin with --")


def _help(main: Callable) -> NoReturn:
    """Prints a command's docstring and its own flags. (absl's --help exits with 1 and shows absl's flags.)"""
    module = sys.modules[main.__module__]
    answer(f"{inspect.getdoc(module)}\n{flags.FLAGS.module_help(module.__name__)}")


def _quoted(argument: str) -> str:
    """Turns `--config.init.from=…` into `--config.init["from"]=…`: config flags are Python expressions."""
    name, equals, value = argument.partition("=")
    if not name.startswith("--config."):
        return argument
    first, *parts = name.split(".")
    return first + "".join(f'["{p}"]' if keyword.iskeyword(p) else f".{p}" for p in parts) + equals + value


def _parse(main: Callable, argv: Sequence[str]) -> list[str]:
    if {"-h", "-help", "--help"} & set(argv[1:]):
        _help(main)
    try:
        sys.argv = list(map(_quoted, sys.argv))  # where config flags look for their fields
        rest = flags.FLAGS(list(map(_quoted, argv)))
        for flag in filter(is_config_flag, (flags.FLAGS[name] for name in flags.FLAGS)):
            # A config file that cannot be read raises only when something asks for a field.
            hasattr(flag.value, "model")
        _check_numbers(flags.FLAGS.flags_by_module_dict().get(main.__module__, ()))
        return rest
    except flags.Error as error:
        text = re.sub(r"Traceback .*\n", "", str(error).strip(), flags=re.DOTALL)
        if missing := re.findall(r"^flag (--\w+)=None: Flag .* other than None\.$", text, re.MULTILINE):
            text = f"{' and '.join(missing)} must be given"
        fail(f"{text} (--help lists the flags)")
    except UserError as error:
        fail(error)
    except OSError as error:
        line = str(error).strip().splitlines()[-1]
        fail(f"cannot read the config file: {line.rpartition('failure to load: ')[2]}")
    except Exception as error:  # a config file is Python: what is wrong in it can be anything
        fail(_unknown_field(argv) or f"the config cannot be used: {type(error).__name__}: {error}")


def _check_numbers(own: Iterable[flags.Flag]) -> None:
    """Refuses numbers that no flag means; flags with narrower limits state them where they are defined.

    Raises:
        UserError: a flag is NaN, infinite or beyond what libraries count with.
    """
    for flag in own:
        for value in flag.value if isinstance(flag.value, list) else [flag.value]:
            if type(value) is float and not abs(value) <= _LARGEST_NUMBER:
                raise UserError(
                    f"flag --{flag.name}={value}: it takes a number of at most {_LARGEST_NUMBER:g}"
                )
            if type(value) is int and not -_LARGEST_COUNT <= value <= _LARGEST_COUNT:
                raise UserError(f"flag --{flag.name}: it takes a whole number of at most {_LARGEST_COUNT:,}")


def _unknown_field(argv: Sequence[str]) -> str | None:
    """Describes the first flag `--config.x.y=…` whose field the config file does not have, if any."""
    from ferjax.config import flat, unknown_field  # imports jax, which not all commands need

    files = [argument.removeprefix("--config=") for argument in argv if argument.startswith("--config=")]
    try:
        config = flags.FLAGS["config"].parser.parse(files[-1])
        if config is None:
            return None
        known = dict(flat(config))
    except Exception:
        return None
    groups = {field.rpartition(".")[0] for field in known}
    for argument in argv:
        field = argument.partition("=")[0].removeprefix("--config.")
        if argument.startswith("--config.") and field not in known and field not in groups:
            return unknown_field(field, known)
    return None


def run(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> None:
    """Parses flags, calls `main(argv)` and exits with what it returns (None is 0).

    Bad flags, `UserError`, a full disk, too little memory and a device that is not there become one line on
    stderr and exit code 2. Messages of ferjax's
    loggers go to stderr, see `ferjax.platform.console`.

    Args:
        main: takes the arguments left after the flags (program name first).
        argv: the command line, `sys.argv` if left out.
    """

    def guarded(rest: list[str]) -> int | None:
        console.log_to_stderr()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # names of files may be no text
        mirrors.show_addresses()
        # absl's commands show the INFO messages of libraries: TFDS logs every file that it opens.
        if not flags.FLAGS["verbosity"].present:
            absl_logging.set_verbosity(absl_logging.WARNING)
        # JAX logs every accelerator that the machine lacks.
        logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
        try:
            with mirrors.stored():
                code = main(rest)
            print(end="", flush=True)  # here, where a reader that has left and a full disk are understood
            return code
        except UserError as error:
            fail(error)
        except KeyboardInterrupt:
            console.end_progress()
            print("ferjax: interrupted", file=sys.stderr, flush=True)
            return 128 + signal.SIGINT
        except BrokenPipeError:
            return _reader_left()
        except OSError as error:
            if error.errno not in DISK_FULL:
                if error.filename is None:
                    raise
                fail(f"cannot use {error.filename}: {error.strerror}; name another place")
            first: BaseException | None = error  # closing files may have failed after a clear error
            while first and not isinstance(first, UserError):
                first = first.__context__
            console.print_error(
                first or f"cannot write {error.filename or 'a file'}: {error.strerror}; make room"
            )
            sys.stdout.flush()
            os._exit(BAD_INPUT)  # at an orderly exit every open file would raise the same error again
        except Exception as error:
            if message := describe_failure(error):
                fail(message)
            raise

    # Python's last collection looks at every object of the libraries: half a second, and frees nothing.
    atexit.register(gc.freeze)
    app.run(guarded, argv=list(argv) if argv is not None else None, flags_parser=partial(_parse, main))
