"""The command's bad input: one line, before a network is opened."""

import socket

import pytest
import tiny


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x"], "unexpected argument 'x'"),
        (["--port=70000"], "--port"),
        (["--host=0.0.0.0"], "a key is required: name --api_key_file"),
        (["--host=nowhere.invalid", "--api_key_file=KEYS"], "--host=nowhere.invalid is no address"),
        (["--api_key_file=nowhere"], "--api_key_file=nowhere cannot be read"),
        (["--api_key_file=SHORT"], "16 or more letters"),
        (["--cors=*"], "--cors=* is no origin"),
        (["--max_files=200"], "--max_files is above --queue"),
        (["--max_megabytes=300"], "above --queue_megabytes"),
        (["--port=0", "--workdir=nowhere"], "nowhere does not exist"),
    ],
)
def test_bad_input_is_one_line(shell, tmp_path, arguments, words):
    (tmp_path / "keys").write_text("a" * 20)
    (tmp_path / "short").write_text("short")
    named = {"KEYS": tmp_path / "keys", "SHORT": tmp_path / "short"}
    for name, path in named.items():
        arguments = [argument.replace(name, str(path)) for argument in arguments]
    assert words in tiny.only_line(shell("serve", *arguments))


def test_a_port_in_use(shell):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = tiny.only_line(shell("serve", f"--port={port}"))
    assert f"port {port} cannot be used (Address already in use); name another --port" in line
