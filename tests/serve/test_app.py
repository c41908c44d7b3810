"""The routes: what clients get, what is refused, what is counted and logged."""

import asyncio
import io
import json
import logging

import asking
import numpy as np
import pytest
from PIL import Image

from ferjax.deploy import output_rows
from ferjax.deploy.faces import Detector
from ferjax.deploy.predict import Options, predict
from ferjax.inference.inputs import expand
from ferjax.serve import logs
from ferjax.serve.guard import read_origins
from ferjax.serve.limits import Limits

KEY = "a-key-of-enough-letters"
PREDICT = "/v1/predict"


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photograph(astronaut):
    return png(astronaut[:300, 80:380])


@pytest.fixture(scope="module")
def face(astronaut):
    return png(astronaut[60:180, 170:280])


@pytest.fixture
def log(capsys):
    """What is written on stderr; afterwards the loggers are as they were."""
    yield capsys
    for name in logs._LEVELS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)


def picture(content):
    return {"content-type": "image/png"}, content


@pytest.mark.parametrize("cropped", [False, True])
def test_answers_are_those_of_predict(make_app, shipped, photograph, face, tmp_path, cropped):
    contents = [photograph, face, png(np.full((64, 80, 3), 90, np.uint8))]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.png").write_bytes(content)
    out = io.StringIO()
    options = Options(None if cropped else Detector(), tiles=0)
    writer = output_rows.writer(
        "jsonl", shipped.label_names, 3, out, unsure_below=shipped.unsure_below, set_of=shipped.set_of,
        coverage=shipped.sets.coverage,
    )  # fmt: skip
    for outcome in predict(expand([str(tmp_path)]), shipped, options):
        for row in outcome.rows:
            writer.write(row)
    wanted = [json.loads(line) for line in out.getvalue().splitlines()]
    reply = asking.post(make_app(), f"{PREDICT}?top_k=3&cropped={cropped}", asking.form(*contents))
    assert reply.status == 200
    found = reply.json["pictures"]
    assert [each["status"] for each in found] == [row["status"] for row in wanted]
    assert [each["status"] for each in found] == (["ok"] * 3 if cropped else ["ok", "ok", "no face"])
    assert [(each["width"], each["height"]) for each in found] == [(300, 300), (110, 120), (80, 64)]
    for each, row in zip(found, wanted, strict=True):
        for answer in each["faces"]:
            assert answer.keys() == row.keys() - {"source", "status"}
            assert {"label", "unsure", "set", "set_coverage", "unlike"} <= answer.keys()
            assert answer["unlike"] == row["unlike"]
            assert ("box" in answer) != cropped
            assert answer["label"] == row["label"]
            assert answer["probabilities"] == pytest.approx(row["probabilities"], abs=1e-5)


def test_of_many_faces_the_largest_are_answered_for(make_app, astronaut):
    reply = asking.post(make_app(), PREDICT, picture(png(np.tile(astronaut[:300, 80:380], (2, 2, 1)))))
    (found,) = reply.json["pictures"]
    assert ([answer["face"] for answer in found["faces"]], found["more_faces"]) == ([1, 2], True)


def test_a_picture_that_cannot_be_read_leaves_the_others_alone(make_app, face):
    app = make_app()
    bad = [b"", b"PK\x03\x04 a zip", face[:200], png(np.zeros((1001, 1000), np.uint8))]
    reply = asking.post(app, f"{PREDICT}?cropped=true&top_k=1", asking.form(*bad[:3], face))
    assert reply.status == 200
    states = [each["status"] for each in reply.json["pictures"]]
    assert states == ["failed", "failed", "failed", "ok"]
    reply = asking.post(app, PREDICT, asking.form(*bad))
    assert reply.status == 422
    reasons = [each["reason"] for each in reply.json["pictures"]]
    assert "1000×1001 pixels; the limit is 1 million" in reasons[3]
    assert all("Traceback" not in reason and "/" not in reason for reason in reasons)


def test_refusals_are_one_line(make_app, face):
    app = make_app()
    for path, status, words in (
        (f"{PREDICT}?top_k=-1", 400, "top_k"),
        (f"{PREDICT}?cropped=perhaps", 400, "cropped"),
        (f"{PREDICT}?croped=true", 400, "no parameter 'croped'; there are cropped and top_k"),
        (f"{PREDICT}?top_k=1&top_k=2", 400, "twice"),
        ("/v1/predict/", 404, "Not Found"),
        ("/../../etc/passwd", 404, "Not Found"),
        ("/static-offline-docs/../../core.py", 404, "Not Found"),
    ):
        reply = asking.post(app, path, picture(face))
        if status == 404:
            reply = asking.ask(app, "GET", path)
        assert (reply.status, words in reply.json["detail"]) == (status, True), path
    assert asking.ask(app, "GET", PREDICT).status == 405


def test_a_key_is_wanted_but_by_probes(make_app, face):
    app = make_app(keys=[KEY])
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": f"Basic {KEY}"}, {"x-api-key": KEY}):
        for method, path in (("POST", PREDICT), ("GET", "/v1/network"), ("GET", "/metrics")):
            reply = asking.ask(app, method, path, headers)
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    right = {"authorization": f"Bearer {KEY}", "host": "faces.example.org"}
    headers, body = picture(face)
    assert asking.ask(app, "POST", f"{PREDICT}?cropped=1", {**headers, **right}, body).status == 200
    assert asking.ask(app, "GET", "/metrics", right).status == 200
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert asking.ask(app, "GET", path).status == 200
    assert KEY not in asking.ask(app, "GET", "/openapi.json").body.decode()


def test_pages_and_host_names_of_others(make_app):
    app = make_app(origins=read_origins(["https://good.example"]))
    for headers, status in (
        ({}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:8700"}, 200),
        ({"host": "evil.example"}, 400),
        ({"host": ""}, 400),
        ({"origin": "http://127.0.0.1:8700"}, 200),
        ({"origin": "http://127.0.0.1:8701"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://good.example"}, 200),
    ):
        reply = asking.ask(app, "GET", "/v1/network", headers)
        assert reply.status == status, headers
        shared = headers.get("origin") == "https://good.example"
        assert ("access-control-allow-origin" in reply.headers) == shared
    asks_first = {"origin": "https://good.example", "access-control-request-method": "POST",
                  "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    assert asking.ask(app, "OPTIONS", PREDICT, asks_first).status == 200


def test_a_full_service_says_so_at_once(make_app, face):
    async def run():
        app, reading = make_app(Limits(files=1, queue=1)), asyncio.Event()
        first = asyncio.create_task(
            asking.asked(app, "POST", PREDICT, {"content-type": "image/png"}, chunks=None, reading=reading)
        )
        await reading.wait()
        assert b"ferjax_pictures_inside 1.0" in app.service._metrics.text()
        second = await asking.asked(app, "POST", PREDICT, *asking_picture(face))
        probe = await asking.asked(app, "GET", "/healthz")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        third = await asking.asked(app, "POST", f"{PREDICT}?cropped=1", *asking_picture(face))
        return second, probe, third

    second, probe, third = asyncio.run(run())
    assert (second.status, second.headers["retry-after"]) == (429, "1")
    assert (probe.status, third.status) == (200, 200)


def asking_picture(content):
    headers, body = picture(content)
    return headers, [body]


def test_an_answer_that_takes_too_long_or_that_nobody_waits_for(make_app, face, monkeypatch):
    async def run(seconds, left):
        app = make_app(Limits(files=1, queue=1, answer_seconds=seconds))

        async def never(*_):
            if left:
                left.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(app.service, "_picture", never)
        reply = await asking.asked(app, "POST", PREDICT, *asking_picture(face), left=left)
        return reply, app.service._metrics.text()

    reply, counted = asyncio.run(run(0.01, None))
    assert (reply.status, "0.01 seconds" in reply.json["detail"]) == (503, True)
    assert b"ferjax_pictures_inside 0.0" in counted
    reply, counted = asyncio.run(run(60, asyncio.Event()))
    assert reply.status == 499
    assert b'status="499"' in counted


def test_how_it_is(make_app, face, monkeypatch):
    app = make_app(warm=False)
    assert asking.ask(app, "GET", "/healthz").json == {"status": "ok"}
    assert asking.ask(app, "GET", "/readyz").status == 503
    app.service.warm_up()
    assert asking.ask(app, "GET", "/readyz").json == {"status": "ok"}
    app.service.stop_taking()
    assert asking.ask(app, "GET", "/readyz").status == 503
    assert asking.post(app, f"{PREDICT}?cropped=1", picture(face)).status == 200  # it came before
    monkeypatch.setattr(app.service._network, "is_stuck", lambda longest: True)
    assert asking.ask(app, "GET", "/healthz").status == 503
    assert asking.post(app, PREDICT, picture(face)).status == 503


def test_what_is_counted_and_what_is_logged(make_app, face, log):
    logs.to_stderr()
    app = make_app()
    secret = "portrait-of-somebody"
    asking.post(app, f"{PREDICT}?cropped=1&top_k=1", asking.form(face, b"x", name=f"{secret}.png"))
    asking.ask(app, "GET", f"/{secret}?q={secret}", {"x-request-id": secret})
    asking.ask(app, "GET", "/healthz")
    written = log.readouterr().err
    assert secret not in written
    first, second = map(json.loads, written.splitlines())  # and none of the probe
    assert {name: first[name] for name in ("event", "route", "status", "pictures", "faces")} == {
        "event": "request", "route": PREDICT, "status": 200, "pictures": 2, "faces": 1,
    }  # fmt: skip
    assert (second["route"], second["status"]) == ("other", 404)
    counted = asking.ask(app, "GET", "/metrics").body.decode()
    assert secret not in counted
    for line in (
        f'ferjax_requests_total{{route="{PREDICT}",status="200"}} 1.0',
        'ferjax_pictures_total{status="ok"} 1.0',
        'ferjax_pictures_total{status="failed"} 1.0',
        "ferjax_faces_total 1.0",
        "ferjax_bytes_inside 0.0",
    ):
        assert line in counted.splitlines()
    assert "ferjax_batch_faces_bucket" in counted
    assert "ferjax_batch_faces_sum 1.0" in counted.splitlines()  # none of those before anybody asked


def test_what_nobody_foresaw_is_an_answer_without_details(make_app, face, monkeypatch, log):
    logs.to_stderr()
    app = make_app()

    def broken(images):
        raise RuntimeError("a secret of the client")

    monkeypatch.setattr(app.service._network, "_answer", broken)
    reply = asking.post(app, f"{PREDICT}?cropped=1", picture(face))
    assert (reply.status, reply.json) == (500, {"detail": "the service failed; its log says where"})
    written = log.readouterr().err
    assert "secret" not in written
    assert "failure" in written
    assert "batcher.py" in written


def test_answers_are_not_kept_and_the_page_loads_nothing_from_elsewhere(make_app):
    app = make_app()
    page = asking.ask(app, "GET", "/docs")
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert b"https://" not in page.body
    assert asking.ask(app, "GET", "/static-offline-docs/swagger-ui-bundle.js").status == 200
    assert asking.ask(app, "GET", "/").headers["location"] == "docs"
