"""The terminal: one progress line that is rewritten in place, and messages that never run into it.

Messages of ferjax's loggers go to stderr, one line each: "ferjax: warning: …" and "ferjax: error: …", and an
info as it is. What a command was asked for is printed on stdout, not logged.
"""

import contextlib
import logging
import shutil
import sys
from collections.abc import Iterator
from typing import TextIO

logger = logging.getLogger("ferjax")

# The stream whose last line is a progress line without an end; a process has one terminal.
_open_on: TextIO | None = None
_LONGEST = 400  # letters of an error


def show_progress(stream: TextIO, text: str) -> None:
    """Rewrites the progress line of a terminal; it stays open until `end_progress` or a message.

    Args:
        stream: a terminal.
        text: ASCII without line ends; cut to the terminal's width, for a line that wraps cannot be rewritten.
    """
    global _open_on
    if _open_on is not stream:
        end_progress()
    stream.write("\r" + text[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
    stream.flush()
    _open_on = stream


def end_progress() -> None:
    """Ends the progress line, if one is open; what is written next begins on a line of its own."""
    global _open_on
    stream, _open_on = _open_on, None
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone, or the stream was closed
            stream.write("\n")
            stream.flush()


def print_error(message: object) -> None:
    """Prints "ferjax: error: …" on stderr as one line, after ending whatever progress is shown."""
    end_progress()
    _close_bars()
    print(_shortened(f"ferjax: error: {one_line(message)}"), file=sys.stderr, flush=True)


def one_line(message: object) -> str:
    """Joins the lines of a message, which shows no control characters.

    >>> one_line("the disk\\n   is full")
    'the disk is full'
    """
    return printable(" ".join(str(message).split()))


def _shortened(text: str) -> str:
    """Cuts the middle out of a long line: at its end is the advice."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[: half - 3]} … {text[-half:]}"


def printable(text: str) -> str:
    """Replaces what would move a terminal's cursor or is no text: names and labels come from anywhere.

    >>> printable("\\x1b[2Jhappy")
    '?[2Jhappy'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def log_to_stderr() -> None:
    """Sends ferjax's messages from INFO on to stderr, see the module; a second call changes nothing."""
    if not any(isinstance(handler, _Handler) for handler in logger.handlers):
        logger.addHandler(_Handler())
    logger.setLevel(logging.INFO)
    logger.propagate = False  # absl's handler of the root logger would print them a second time


@contextlib.contextmanager
def only_warnings() -> Iterator[None]:
    """Leaves out infos inside: of several processes of one run only the first informs."""
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Handler(logging.Handler):
    """Writes to the stderr of the moment, between redrawings of tqdm's bars."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            if record.levelno >= logging.WARNING:
                text = f"ferjax: {record.levelname.lower()}: {one_line(text)}"
            if record.exc_info:
                text += "\n" + logging.Formatter().formatException(record.exc_info)
            end_progress()
            with _without_bars():
                print(text, file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


def _bars() -> type | None:
    """Returns tqdm's class if it was imported; importing it only to look for bars would cost time."""
    return getattr(sys.modules.get("tqdm"), "tqdm", None)


def _without_bars() -> contextlib.AbstractContextManager:
    """Clears tqdm's bars inside and draws them again afterwards."""
    bars = _bars()
    return bars.external_write_mode(file=sys.stderr) if bars else contextlib.nullcontext()


def _close_bars() -> None:
    """Ends tqdm's bars: each stays as it was drawn last, with a line end."""
    bars = _bars()
    for bar in list(getattr(bars, "_instances", ())):
        bar.close()
