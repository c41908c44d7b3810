"""The command as a process: asked over the network, in a browser, by schemathesis, and told to end."""

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import asking
import pytest
import tiny
from PIL import Image

pytestmark = pytest.mark.slow

KEY = "a-key-of-enough-letters"


@contextlib.contextmanager
def serving(compiled, folder, *arguments, **more):
    """The service's process, with the host and port it listens on; nothing but `folder` is its own."""
    command = [sys.executable, "-m", "ferjax", "serve", "--port=0", *arguments]
    for name in ("home", "temporary", "current"):
        (folder / name).mkdir()
    environment = {
        **os.environ, **tiny.environment(compiled), "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temporary"), **more,
    }  # fmt: skip
    with subprocess.Popen(
        command,
        env=environment,
        cwd=folder / "current",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            found = re.search(r"http://([\w.]+):(\d+)", line)
            assert found, line + process.stderr.read()
            yield SimpleNamespace(process=process, host=found[1], port=int(found[2]), url=found[0])
        finally:
            process.kill()


@pytest.fixture(scope="module")
def photograph(astronaut):
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "PNG")
    return buffer.getvalue()


def told(connection, path, headers, body):
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_it_answers_what_it_has_taken_and_ends_with_0(compiled, tmp_path, photograph):
    headers = {"Content-Type": "image/png", "Authorization": f"Bearer {KEY}"}
    (tmp_path / "key").write_text(KEY)
    flags = [f"--api_key_file={tmp_path / 'key'}", "--host=0.0.0.0", "--engine=onnxruntime"]
    with serving(compiled, tmp_path, *flags) as service:
        assert list((compiled / "engines").glob("*.onnx"))
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        assert told(connection, "/v1/predict", {"Content-Type": "image/png"}, b"x")[0].status == 401
        answer, said = told(connection, "/v1/predict", headers, photograph)
        assert (answer.status, said["pictures"][0]["faces"][0]["label"]) == (200, "happy")
        connection.putrequest("POST", "/v1/predict")
        for name, value in {**headers, "Content-Length": len(photograph)}.items():
            connection.putheader(name, value)
        connection.endheaders(photograph[:1000])
        service.process.send_signal(signal.SIGTERM)
        while is_open(service.port):
            pass
        connection.send(photograph[1000:])
        answer = connection.getresponse()
        assert json.loads(answer.read()) == said
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert service.process.wait(60) == 0
        lines = [json.loads(line) for line in service.process.stderr.read().splitlines() if line[0] == "{"]
        assert [line["status"] for line in lines if line["event"] == "request"] == [401, 200, 200]
        assert {line["level"] for line in lines} == {"info"}


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_writes_nothing_to_the_disk(compiled, tmp_path, photograph):
    with serving(compiled, tmp_path) as service:
        connection = http.client.HTTPConnection(service.host, service.port)
        headers, body = asking.form(photograph, photograph + bytes(3 * 2**20), b"x", name="../../here.png")
        assert told(connection, "/v1/predict", headers, body)[0].status == 200
        assert told(connection, "/v1/predict", headers, body[:-1000])[0].status == 400
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(60) == 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["current", "home", "temporary"]


@pytest.mark.relative  # `test_fuzzed.py` stands for it
def test_schemathesis_finds_nothing(compiled, tmp_path):
    pytest.importorskip("schemathesis")
    checks = (
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "unsupported_method",
        "response_schema_conformance", "response_headers_conformance",
    )  # fmt: skip
    (tmp_path / "st").mkdir()
    with serving(compiled, tmp_path) as service:
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json",
                f"--checks={','.join(checks)}", "--max-examples=60", "--seed=1", "--no-color",
            ],
            cwd=tmp_path / "st", capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"[1-9]\d* generated", done.stdout), done.stdout


def test_the_page_tries_the_service_in_a_browser(compiled, tmp_path, photograph):
    browser = pytest.importorskip("browser")
    if browser.PROGRAM is None:
        pytest.skip("there is no Chromium on this machine")
    (tmp_path / "photograph.png").write_bytes(photograph)
    (tmp_path / "profile").mkdir()
    with serving(compiled, tmp_path) as service, browser.Browser(tmp_path / "profile") as page:
        page.open(f"{service.url}/docs")
        page.wait_for("Name the expressions of the faces in pictures")
        page.click(".opblock-summary-control", "/v1/predict")
        page.give("input[type=file]", tmp_path / "photograph.png")
        page.click("button", "Execute")
        page.wait("document.querySelector('.live-responses-table')?.innerText.includes('\"happy\"')")
        assert page.picture().startswith(b"\x89PNG")
        loaded = page.run("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert loaded
        assert all(name.startswith((service.url, "data:", "blob:")) for name in loaded)
