"""Bodies of requests: forms and pictures, whole and in parts, good and bad. Nothing goes to the disk."""

import asyncio
import itertools
import tempfile

import asking
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from ferjax.serve.body import Refused, read_pictures
from ferjax.serve.gate import Full, Gate
from ferjax.serve.limits import MIB, Limits

LIMITS = Limits(files=3, queue=4, queue_bytes=8 * MIB)


def read(headers, *chunks, limits=LIMITS, gate=None, leaves=False, comes=True):
    """What the service reads of a body that comes in so many parts."""
    waiting = list(chunks)

    async def receive():
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not comes}
        if leaves:
            return {"type": "http.disconnect"}
        return await asyncio.Event().wait()

    async def run():
        request = Request(asking.scope_of("POST", "/v1/predict", headers), receive)
        with (gate or Gate(limits.queue, limits.queue_bytes)).entered() as ticket:
            return await read_pictures(request, limits, ticket)

    return asyncio.run(run())


def refusal(headers, *chunks, **more):
    with pytest.raises(Refused) as caught:
        read(headers, *chunks, **more)
    return caught.value.status, str(caught.value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.lists(st.integers(0, 900), max_size=6))
def test_a_form_is_read_however_it_is_cut(files, places):
    headers, body = asking.form(*files)
    cuts = sorted({min(place, len(body)) for place in places} | {0, len(body)})
    chunks = [body[start:end] for start, end in itertools.pairwise(cuts)]
    assert read(headers, *chunks) == files


def test_a_picture_as_it_is():
    for kind in ("image/png", "application/octet-stream", "image/jpeg; charset=x"):
        assert read({"content-type": kind}, b"ab", b"", b"c") == [b"abc"]


def test_names_of_files_change_nothing():
    for name in ("../../etc/passwd", "/dev/zero", "a" * 3000, "é\x07", "C:\\x", ""):
        assert read(*asking.form(b"1", name=name)) == [b"1"]


def test_large_files_stay_in_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError), tempfile.TemporaryFile():
        pass
    content = bytes(3 * MIB)
    assert read(*asking.form(content, content)) == [content, content]


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"content-type": "text/plain"}, b"x", 415, "send a form"),
        ({}, b"x", 415, "send a form"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"x", 415, "Content-Type such as image/jpeg"),
        ({"content-type": "image/png", "content-encoding": "gzip"}, b"x", 415, "compressed"),
        ({"content-type": "image/png"}, b"", 400, "empty"),
        ({"content-type": "multipart/form-data"}, b"x", 400, "cannot be read"),
        ({"content-type": "multipart/form-data; boundary="}, b"x", 400, "cannot be read"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"x", 400, "cannot be read"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"", 400, "its end is missing"),
        ({"content-type": "multipart/form-data; boundary=" + "b" * 400}, b"", 400, "form"),
        ({"content-type": "image/png", "content-length": "99999999"}, b"x", 413, "more than 32 MiB"),
        (*asking.form(b"1", field="photo"), 400, "files"),
        (*asking.form(), 400, "every part of the form"),
        (*asking.form(b"1", b"2", b"3", b"4"), 413, "at most 3 files"),
        (*asking.form(*[b"1"] * 100), 413, "at most 3 files"),
    ],
)  # fmt: skip
def test_what_is_refused(headers, body, status, words):
    code, message = refusal(headers, body)
    assert code == status
    assert words in message


@pytest.mark.parametrize("missing", [3, 30, 100])
def test_a_form_that_is_cut_off(missing):
    headers, body = asking.form(b"1", bytes(50))
    assert refusal(headers, body[:-missing]) == (400, "the form cannot be read (its end is missing)")


def test_a_field_that_is_no_file():
    headers, body = asking.form(b"hello")
    assert refusal(headers, body.replace(b'; filename="x.png"', b""))[0] == 400
    headers, body = asking.form(b"h" * 5000)
    assert refusal(headers, body.replace(b'; filename="x.png"', b""))[0] == 400


@pytest.mark.parametrize("charset", ["idna", "punycode", "rot13", "zlib", "nonsense", "utf-16"])
def test_a_codec_that_a_client_names_is_not_used(charset):
    headers, body = asking.form(b"1", name="\u00ff" * 50)
    headers = {"content-type": f"{headers['content-type']}; charset={charset}"}
    assert read(headers, body) == [b"1"]


def test_a_body_in_parts_is_refused_before_it_is_kept():
    gate = Gate(4, 8 * MIB)
    limits = LIMITS._replace(body_bytes=MIB)
    parts = [bytes(MIB // 2)] * 5
    assert refusal({"content-type": "image/png"}, *parts, limits=limits, gate=gate)[0] == 413
    headers, body = asking.form(bytes(2 * MIB))
    assert refusal(headers, body[:MIB], body[MIB:], limits=limits, gate=gate)[0] == 413
    assert (gate.pictures, gate.content) == (0, 0)


def test_there_is_room_for_so_many_pictures_and_bytes():
    with pytest.raises(Full):
        read(*asking.form(b"1", b"2", b"3"), gate=Gate(2, MIB))
    with pytest.raises(Full):
        read({"content-type": "image/png"}, bytes(700), gate=Gate(2, 600))


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=a-boundary"])
def test_a_client_that_is_slow_or_leaves(kind):
    limits, begin = LIMITS._replace(body_seconds=0.01), b"--a-boundary\r\n"
    status, message = refusal({"content-type": kind}, begin, limits=limits, comes=False)
    assert (status, "0.01 seconds" in message) == (408, True)
    with pytest.raises(ClientDisconnect):
        read({"content-type": kind}, begin, comes=False, leaves=True)
