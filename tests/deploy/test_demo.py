"""The demo: what it finds in pictures, and its page in a real browser."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
import tiny
from networks import trained_network
from PIL import Image
from untrained import LABELS

from ferjax.commands import demo
from ferjax.demo import answers
from ferjax.deploy.face import Face
from ferjax.errors import UserError
from ferjax.inference import bundle
from ferjax.inference.classifier import Classifier


@pytest.fixture(scope="module")
def asked(colour_run):
    return answers.Demo(colour_run)


def test_a_face_that_is_cut_out(asked, astronaut):
    face = astronaut[20:220, 120:320]
    answer = asked.ask(face, whole=True, method="grad_cam")
    (look,) = answer.looks
    classifier = Classifier.of(asked.network)
    wanted = classifier.probabilities(classifier.preprocess([face]))[0]
    names = asked.network.label_names
    assert look.chances == pytest.approx({names[i]: wanted[i] for i in np.argsort(-wanted)})
    assert list(look.chances.values()) == sorted(look.chances.values(), reverse=True)
    assert look.seen.shape == look.heat.shape == (256, 256, 3)
    assert (look.seen != look.heat).any()
    assert answer.marked is None
    assert asked.ask(face, whole=True).looks[0].heat is None


@pytest.mark.slow
def test_faces_of_a_photograph(asked, astronaut):
    two = np.concatenate([astronaut, astronaut], axis=1)
    answer = asked.ask(two, whole=False, method="saliency")
    assert len(answer.looks) == 2
    assert answer.marked.shape == two.shape
    assert (answer.marked != two).any()
    nobody = asked.ask(np.full((150, 300, 3), 90, np.uint8), whole=False)
    assert (nobody.looks, nobody.left_out) == ([], 0)
    np.testing.assert_array_equal(nobody.marked, np.full((450, 900, 3), 90))


def test_marks_have_room_on_a_small_picture(asked, astronaut, monkeypatch):
    """They are drawn where the face is, three times as large."""
    monkeypatch.setattr(
        asked._detector, "find", lambda image: [Face((30, 40, 70, 80), 0.9, ((40, 55), (60, 55)))]
    )
    small = np.full((150, 160, 3), 90, np.uint8)
    marked = asked.ask(small, whole=False).marked
    assert marked.shape == (450, 480, 3)
    changed = (marked != 90).any(-1)
    assert changed[120:240, 90].mean() > 0.7  # the left side of the box
    assert not changed[:110].any()


@pytest.mark.parametrize("shape", [(1, 20_000, 3), (20_000, 1, 3), (3, 1700, 3)])
def test_a_narrow_picture_stays_small(shape):
    marked = answers._marked(np.zeros(shape, np.uint8), [], LABELS, 0.0)
    assert max(marked.shape) == 1280
    assert min(marked.shape[:2]) <= 9


@pytest.mark.parametrize("below", [0.0, 1.0])
def test_an_unsure_face_is_told(asked, astronaut, monkeypatch, below):
    monkeypatch.setattr(asked, "classifier", dataclasses.replace(asked.classifier, unsure_below=below))
    (look,) = asked.ask(astronaut, whole=True).looks
    assert look.unsure == (max(look.chances.values()) < below)


@pytest.mark.parametrize("far", [False, True])
def test_a_face_unlike_those_of_training_is_told(asked, astronaut, monkeypatch, far):
    told = dataclasses.replace(
        asked.classifier, distances=lambda images: np.full(len(images), 1.0 + far), unlike_above=1.5
    )
    monkeypatch.setattr(asked, "classifier", told)
    (look,) = asked.ask(astronaut, whole=True).looks
    assert look.unlike is far


def test_a_crowd_is_cut_short(asked, astronaut, monkeypatch):
    face = Face((170.0, 60.0, 280.0, 190.0), 0.9, ((200.0, 110.0), (250.0, 110.0)))
    monkeypatch.setattr(asked._detector, "find", lambda image: [face] * 15)
    answer = asked.ask(astronaut, whole=False)
    assert (len(answer.looks), answer.left_out) == (12, 3)


def test_every_method_that_the_network_has(asked, astronaut):
    assert {"grad_cam", "grad_cam_plus_plus", "saliency", "integrated_gradients"} <= set(asked.methods)
    for method in ("grad_cam", "integrated_gradients"):
        assert asked.ask(astronaut, whole=True, method=method).looks[0].heat.any()


@pytest.mark.slow
def test_bad_input_is_told_before_a_page_is_opened(shell, colour_run, tmp_path):
    line = tiny.only_line(shell("demo", f"--workdir={tmp_path / 'nowhere'}"))
    assert "does not exist; name a run's workdir or a bundle" in line
    assert "--port" in tiny.only_line(shell("demo", f"--workdir={colour_run}", "--port=70000"))
    assert "unexpected argument 'x'" in tiny.only_line(shell("demo", f"--workdir={colour_run}", "x"))


def test_a_port_that_is_taken():
    with demo.socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be used"):
            demo._free_port(port)
    assert demo._free_port(0) > 0


# The page.


def _status(request):
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@contextlib.contextmanager
def serving(workdir, compiled):
    """The page's address."""
    command = [sys.executable, "-m", "ferjax", "demo", f"--workdir={workdir}", "--port=0"]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(compiled), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            lines = []
            address = None
            while address is None:
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
                address = re.search(r"http://\S+", lines[-1])
            yield address[0]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 128 + signal.SIGINT
            *_, last = process.stdout.read().splitlines()
            assert last == "ferjax: interrupted"
        finally:
            process.kill()


@pytest.mark.slow
def test_the_page_in_a_browser(compiled, tmp_path, astronaut):
    pytest.importorskip("streamlit")
    browser = pytest.importorskip("browser")
    if browser.PROGRAM is None:
        pytest.skip("there is no Chromium on this machine")
    network = trained_network("fer_cnn", data__name="toons/avataaars", data__image_size=48)
    bundle.write(network, "", tmp_path / "bundle")
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "astronaut.png").read_bytes()[:5000])
    (tmp_path / "profile").mkdir()
    with serving(tmp_path / "bundle", compiled) as address, browser.Browser(tmp_path / "profile") as page:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        for host, status in (("127.0.0.1", 200), ("localhost:80", 200), ("evil.example", 400), ("", 400)):
            request = urllib.request.Request(address, headers={"Host": host})
            assert _status(request) == status, host
        page.open(address)
        page.wait_for("Drop a picture, or take one.")
        assert "fer_cnn, trained on toons/avataaars" in page.text()

        page.give("input[type=file]", tmp_path / "astronaut.png")
        page.wait_for("1 face")
        page.wait_for("what the network sees")
        # Each element of the page comes on its own.
        named = r"/\b(?:angry|disgust|fear|happy|sad|surprise|neutral) \d+%/g"
        page.wait(f"(document.body.innerText.match({named}) || []).length == 7")
        page.wait_for("where it looked for")
        page.wait("document.querySelectorAll('[data-testid=stImage] img').length == 3")
        assert page.load() == 3
        assert page.picture().startswith(b"\x89PNG")

        page.give("input[type=file]", tmp_path / "broken.png")
        page.wait_for("The picture is damaged")

        page.click("label", "the camera")
        page.film()
        page.click("button", "Take Photo")
        page.wait_for("No face was found.")
