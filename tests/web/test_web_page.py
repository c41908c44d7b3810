"""The page in a real browser, opened from a disk: the shipped network answers as `ferjax predict` does."""

import json
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from ferjax.deploy.faces import Detector
from ferjax.inference import pictures
from ferjax.inference.classifier import Classifier
from ferjax.inference.open_run import open_network
from ferjax.pretrained import places
from ferjax.web import folder, runtime

browser = pytest.importorskip("browser")
pytestmark = pytest.mark.slow
# What the page answers for the file that it was given, unrounded.
_ANSWER = """(async () => {
  const image = await Pictures.read(document.getElementById("file").files[0]);
  const {looks} = await Answers.picture(await Load.engine(), image, %s);
  return JSON.stringify(looks.map(({face, probabilities, unlike}) => ({
    box: face?.box, eyes: face?.eyes, probabilities: [...probabilities], set: Answers.set(probabilities),
    unlike})));
})()"""


@pytest.fixture(scope="module")
def onnxruntime_web(tmp_path_factory):
    """ONNX Runtime Web, from npm's cache: tests use no network."""
    path = tmp_path_factory.mktemp("npm")
    name = f"{runtime.PACKAGE}@{runtime.VERSION}"
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm on this machine")
    ran = subprocess.run([npm, "pack", "--offline", name], cwd=path, capture_output=True, check=False)
    if ran.returncode:
        pytest.skip(f"npm has no {name} in its cache: npm cache add {name}")
    return runtime.read(str(path / f"{runtime.PACKAGE}-{runtime.VERSION}.tgz"))


@pytest.fixture(scope="module")
def network():
    return open_network(places.shipped("faces"))


@pytest.fixture(scope="module")
def classifier(network):
    return Classifier.of(network)


@pytest.fixture(scope="module")
def written(network, onnxruntime_web, tmp_path_factory):
    """The folder of the page."""
    if browser.PROGRAM is None:
        pytest.skip("there is no Chromium on this machine")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("page") / "web"
    folder.write(network, "the card", path, onnxruntime_web)
    return path


@pytest.fixture(scope="module")
def page(written, tmp_path_factory):
    """The page, opened from the disk and ready."""
    with browser.Browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(written.joinpath("index.html").as_uri())
        page.wait_for("Drop a picture, or use the camera.")
        yield page


def answers(page, path, whole=False):
    """Gives the page a file, waits until it shows the answer, and returns it unrounded."""
    page.run(f"document.getElementById('whole').checked = {json.dumps(whole)}; performance.clearMarks()")
    page.give("#file", path)
    page.wait("performance.getEntriesByName('answered').length")
    return json.loads(page.run(_ANSWER % json.dumps(whole)))


def saved(image, path, **options):
    Image.fromarray(image).save(path, **options)
    return path


def turned(image, degrees):
    return np.asarray(
        Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))
    )


def upside_down():
    """EXIF that says that the picture was taken upside down."""
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif


PICTURES = {
    "a photograph": lambda image, path: saved(image, path / "a.png"),
    "a JPEG": lambda image, path: saved(image, path / "a.jpg", quality=85),
    "a tilted head": lambda image, path: saved(turned(image, 20), path / "a.png"),
    "upside down": lambda image, path: saved(image[::-1, ::-1], path / "a.jpg", exif=upside_down()),
    "two faces, one cut by the edge": lambda image, path: saved(
        np.concatenate([image, image[:, 200:]], axis=1), path / "a.png"
    ),
    "large, searched in tiles": lambda image, path: saved(
        np.pad(image, ((300, 600), (900, 400), (0, 0))), path / "a.png"
    ),
    "transparent": lambda image, path: saved(
        np.dstack([image, np.full(image.shape[:2], 128, np.uint8)]), path / "a.png"
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_answers_are_those_of_predict(page, classifier, astronaut, tmp_path, name):
    path = PICTURES[name](astronaut, tmp_path)
    image, detector = pictures.read(path), Detector()
    faces = detector.find(image)
    wanted = classifier.answers(classifier.preprocess(detector.cut(image, classifier.margin)))
    found = answers(page, path)
    assert len(found) == len(faces) > 0
    assert [look["unlike"] for look in found] == wanted.unlike.tolist()
    for look, face, chances in zip(found, faces, wanted.probabilities, strict=True):
        np.testing.assert_allclose(look["box"], face.box, atol=0.02)
        np.testing.assert_allclose(look["eyes"], face.eyes, atol=0.02)
        np.testing.assert_allclose(look["probabilities"], chances, atol=1e-4)
        assert [classifier.label_names[label] for label in look["set"]] == classifier.set_of(chances)


def test_a_face_that_is_cut_out(page, classifier, astronaut, tmp_path):
    path = saved(astronaut[60:180, 165:285], tmp_path / "a.png")
    (found,) = answers(page, path, whole=True)
    wanted = classifier.probabilities(classifier.preprocess([pictures.read(path)]))[0]
    np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-4)


def test_a_drawing_is_told_to_be_unlike_the_faces_of_training(page, classifier, tmp_path):
    drawing = np.full((96, 96, 3), (250, 230, 60), np.uint8)
    drawing[30:40, 25:35] = drawing[30:40, 60:70] = drawing[65:70, 30:66] = 0
    path = saved(drawing, tmp_path / "a.png")
    (found,) = answers(page, path, whole=True)
    assert found["unlike"] is True
    assert classifier.answers(classifier.preprocess([drawing])).unlike.tolist() == [True]
    assert "Unlike the faces that the network was trained on" in page.run("document.body.innerText")


def test_what_the_page_shows(page, classifier, astronaut, tmp_path):
    (found,) = answers(page, saved(astronaut, tmp_path / "a.png"))
    text, first = page.text(), int(np.argmax(found["probabilities"]))
    assert "1 face." in text
    for name, chance in zip(classifier.label_names, found["probabilities"], strict=True):
        row = f"document.evaluate('//tr[th=\"{name}\"]/td[2]', document).iterateNext().textContent"
        assert page.run(row) == f"{round(100 * chance)}%"
    assert f"what speaks for {classifier.label_names[first]} (warm)" in text
    assert "Set that holds the actual class 90% of the time: " in text
    # The heat has colours, the grey face below has none.
    colours = """[...document.querySelectorAll('.seen canvas')].map((canvas) => {
      const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, at) => at % 4 === 0 && Math.abs(value - data[at + 2]) > 60);
    })"""
    assert page.run(colours) == [False, True]
    page.run("(() => { const heat = document.getElementById('heat'); heat.value = 'none';"
             " heat.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert page.run("document.querySelectorAll('.seen canvas').length") == 1
    # Every control has a name that a screen reader reads.
    unnamed = "[...document.querySelectorAll('input, select')].filter((one) => !one.labels.length).length"
    assert page.run(unnamed) == 0


def test_bad_files_are_told(page, astronaut, tmp_path):
    saved(np.full((100, 200, 3), 90, np.uint8), tmp_path / "nobody.png")
    page.give("#file", tmp_path / "nobody.png")
    page.wait_for("No face was found. If the picture is one face, already cut out, tick the box.")
    whole = saved(astronaut, tmp_path / "a.png").read_bytes()
    for name, content in (("text.png", b"text"), ("empty.jpg", b""), ("cut.png", whole[:50])):
        (tmp_path / name).write_bytes(content)
        page.run("document.getElementById('status').textContent = ''")
        page.give("#file", tmp_path / name)
        page.wait_for("This is no picture that the browser can read, or it is damaged.")


def test_the_camera_follows_a_face(page, astronaut, tmp_path):
    """Chromium's test camera shows no face; pictures are handed to what follows faces instead."""
    page.click("#camera")
    page.wait_for("No face in sight.")
    page.click("#camera", "Stop the camera")
    page.wait_for("The camera is off.")
    path = saved(astronaut, tmp_path / "a.png")
    answers(page, path)
    script = """(async () => {
      const image = await Pictures.read(document.getElementById("file").files[0]);
      const follow = Camera.follower(await Load.engine());
      const nobody = Resample.picture(512, 512, 3);
      return JSON.stringify([
        await follow(image, 0), await follow(image, 10), await follow(nobody, 20), await follow(image, 30)]);
    })()"""
    first, second, none, again = json.loads(page.run(script))
    (face,) = Detector().find(astronaut)
    for (found,) in (first, second, again):
        np.testing.assert_allclose(found["box"], face.box, atol=12)
    np.testing.assert_allclose(second[0]["eyes"], face.eyes, atol=6)
    assert none == []


def test_a_camera_that_comes_after_it_was_stopped_is_let_go(page):
    """As while the browser still asks whether the page may use it."""
    page.run("""(() => {
      const own = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        await new Promise((done) => { self.allow = done; });
        self.given = await own(wanted);
        return self.given;
      };
    })()""")
    page.click("#camera")
    page.wait_for("Starting the camera")
    page.click("#camera", "Stop the camera")
    page.wait_for("The camera is off.")
    page.run("allow()")
    released = "self.given && !given.active ? done() : setTimeout(look, 10)"
    page.run(f"new Promise((done) => {{ const look = () => {released}; look(); }})")
    assert page.run("document.getElementById('video').srcObject === null")
    assert page.run("document.getElementById('status').textContent") == "The camera is off."


def test_a_camera_that_is_unplugged_is_told(page):
    page.run("self.allow = null")
    page.click("#camera")
    page.wait("self.allow")
    page.run("allow()")
    page.wait_for("No face in sight.")
    page.run("given.getTracks().forEach((track) => track.dispatchEvent(new Event('ended')))")
    page.wait_for("The camera was switched off.")
    assert page.run("document.getElementById('camera').textContent") == "Use the camera"
    assert not page.run("given.active")


def test_the_page_cannot_reach_a_network(page):
    blocked = """new Promise((done) => {
      document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
      fetch("http://127.0.0.1:9/").catch(() => {});
    })"""
    assert page.run(blocked) == "connect-src"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_from_a_static_host(written, astronaut, tmp_path):
    handler = partial(_Quiet, directory=written)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            with browser.Browser(tmp_path / "profile") as page:
                page.open(f"http://127.0.0.1:{server.server_port}/")
                page.wait_for("Drop a picture, or use the camera.")
                assert len(answers(page, saved(astronaut, tmp_path / "a.png"))) == 1
        finally:
            server.shutdown()
