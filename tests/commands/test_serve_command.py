"""The command's bad input: one line, before a network is opened."""

import socket

import pytest
import tiny


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host=0.0.0.0"], "a key is required: name --api_key_file"),
        (["--host=nowhere.invalid", "--api_key_file=KEYS"], "--host=nowhere.invalid is no address"),
        (["--cors=*"], "--cors=* is no origin"),
        (["--max_files=200"], "--max_files is above --queue"),
        (["--port=0", "--workdir=nowhere"], "nowhere does not exist"),
    ],
)
def test_bad_input_is_one_line(shell, tmp_path, arguments, words):
    (tmp_path / "keys").write_text("a" * 20)
    arguments = [argument.replace("KEYS", str(tmp_path / "keys")) for argument in arguments]
    assert words in tiny.only_line(shell("serve", *arguments))


def test_a_port_in_use(shell):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = tiny.only_line(shell("serve", f"--port={port}"))
    assert f"port {port} cannot be used (Address already in use); name another --port" in line
