"""Messages begin on a line of their own, whatever progress is shown."""

import io
import logging
import sys
import types

import pytest
import tqdm

from ferjax.platform import console


@pytest.fixture
def terminal(monkeypatch):
    """What a terminal would receive: stdout and stderr are the same."""
    stream = io.StringIO()
    # pytest puts its own stderr into `sys` between the fixtures and the test.
    monkeypatch.setattr(console, "sys", types.SimpleNamespace(stderr=stream, modules=sys.modules))
    yield stream
    console.end_progress()


@pytest.fixture
def logger(terminal):
    """ferjax's logger as a command sets it up; put back afterwards."""
    before = console.logger.handlers[:], console.logger.level, console.logger.propagate
    console.log_to_stderr()
    console.log_to_stderr()  # the second call adds no handler
    yield logging.getLogger("ferjax.somewhere")
    console.logger.handlers[:], console.logger.level, console.logger.propagate = before


def test_a_progress_line_is_rewritten_and_ended_before_a_message(terminal, logger):
    console.show_progress(terminal, "step 1")
    console.show_progress(terminal, "step 2")
    logger.info("a validation")
    console.show_progress(terminal, "step 3")
    console.print_error("the loss\n is nan")
    assert terminal.getvalue() == (
        "\rstep 1\x1b[K\rstep 2\x1b[K\na validation\n\rstep 3\x1b[K\nferjax: error: the loss is nan\n"
    )


def test_a_line_is_ended_once_and_only_if_it_is_open(terminal, logger):
    console.end_progress()
    console.show_progress(terminal, "step 1")
    console.end_progress()
    console.end_progress()
    logger.warning("late")
    assert terminal.getvalue() == "\rstep 1\x1b[K\nferjax: warning: late\n"


def test_a_progress_line_is_cut_to_the_terminal(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    console.show_progress(terminal, "x" * 50)
    assert terminal.getvalue() == "\r" + "x" * 9 + "\x1b[K"


def test_a_progress_line_on_a_stream_that_is_closed_does_not_matter(terminal):
    other = io.StringIO()
    console.show_progress(other, "step 1")
    other.close()
    console.print_error("an error")
    assert terminal.getvalue() == "ferjax: error: an error\n"


def test_a_bar_is_drawn_again_below_a_message_and_ended_before_an_error(terminal, logger):
    bar = tqdm.tqdm(total=4, file=terminal, desc="reading")
    bar.update(1)
    logger.info("two images are damaged")
    lines = terminal.getvalue().replace("\r", "\n").split("\n")
    assert "two images are damaged" in lines
    assert lines[-1].startswith("reading")
    console.print_error("the disk is full")
    assert terminal.getvalue().endswith("\nferjax: error: the disk is full\n")
    assert bar.disable  # closed: it draws no more


def test_only_warnings_of_other_processes_are_shown(terminal, logger):
    with console.only_warnings():
        logger.info("hidden")
        logger.warning("shown")
    logger.info("again")
    assert terminal.getvalue() == "ferjax: warning: shown\nagain\n"


def test_an_exception_keeps_its_traceback(terminal, logger):
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("a part failed")
    first, *rest = terminal.getvalue().splitlines()
    assert first == "ferjax: error: a part failed"
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: why"


def test_errors_are_short_and_obey_no_terminal(terminal):
    console.print_error("\x1b[2J" + "a" * 500 + "\x9b31m; mend\nit")
    line = terminal.getvalue()
    assert line.startswith("ferjax: error: ?[2Jaaa")
    assert line.endswith("aaa?31m; mend it\n")
    assert len(line) == 401
