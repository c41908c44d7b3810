"""A bar is redrawn on a terminal, and adds few lines to a file."""

import io
from contextlib import redirect_stderr

import pytest

from ferjax.platform import progress_bar
from ferjax.platform.progress_bar import progress, watched


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def screen(request, monkeypatch):
    monkeypatch.setattr(progress_bar, "_DRAW_SECONDS", 0.0)
    return Screen(request.param)


def test_a_loop_is_shown_often_on_a_terminal_and_seldom_in_a_file(screen):
    with redirect_stderr(screen):
        assert list(progress("drawing", "images", range(200), delay=0)) == list(range(200))
    drawn = screen.getvalue().split("\r")
    assert "drawing: 100%" in drawn[-1]
    assert "200/200" in drawn[-1]
    assert (len(drawn) > 50) if screen.isatty() else (len(drawn) <= 3)


def test_what_is_done_soon_shows_nothing(screen):
    with redirect_stderr(screen):
        assert list(progress("drawing", "images", range(3))) == [0, 1, 2]
    assert not screen.getvalue()


def test_files_are_counted(screen, tmp_path):
    with (
        redirect_stderr(screen),
        watched({str(tmp_path / "a"): 3, str(tmp_path / "b"): 4}, "decoding", "pictures"),
    ):
        (tmp_path / "a").write_bytes(b"")
    assert "7/7" in screen.getvalue().split("\r")[-1]
