"""Keys from a file or the environment, and origins."""

import pytest

from ferjax.errors import UserError
from ferjax.serve.guard import read_origins
from ferjax.serve.keys import VARIABLE, read_keys

KEY, OTHER = "k" * 16, "0123456789abcdef-_"


def test_without_a_key_everybody_may_ask(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    keys = read_keys("")
    assert not keys
    assert keys.accept("")


def test_a_key_of_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, f" {KEY}\n")
    keys = read_keys("")
    assert keys
    assert [keys.accept(key) for key in (KEY, KEY[:-1], f"{KEY}k", "", "é\udc80")] == [True, *[False] * 4]


def test_several_keys_of_a_file_win_over_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "e" * 20)
    (tmp_path / "keys").write_text(f"{KEY}\n\n  {OTHER}\r\n")
    keys = read_keys(str(tmp_path / "keys"))
    assert [keys.accept(key) for key in (KEY, OTHER, "e" * 20, "")] == [True, True, False, False]
    assert KEY not in repr(vars(keys))


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"short", b"with a blank in it", b"\xff" * 20, "ä".encode() * 20]
)
def test_what_is_no_key(content, monkeypatch, tmp_path):
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_keys(str(tmp_path / "keys"))
    assert "\n" not in str(caught.value)
    monkeypatch.setenv(VARIABLE, content.decode("latin-1").replace("\0", ""))
    with pytest.raises(UserError):
        read_keys("")


def test_a_file_of_keys_that_is_none(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", "/dev/zero"):
        with pytest.raises(UserError, match="name a file with a key a line"):
            read_keys(str(path))


def test_origins():
    assert read_origins(["https://Example.org", "http://localhost:3000"]) == (
        "https://example.org",
        "http://localhost:3000",
    )
    for wrong in ("*", "example.org", "https://example.org/", "https://a b", "null", "https://x:1:2"):
        with pytest.raises(UserError, match="is no origin"):
            read_origins([wrong])
