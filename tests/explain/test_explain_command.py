"""`python -m ferjax explain`, and its page."""

import shutil
import subprocess

import numpy as np
import pytest
import tiny
from outline import HOSTILE, Outline, read
from PIL import Image

from ferjax.deploy.faces import Detector
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.explain import heat_colours, heat_file, subjects
from ferjax.explain.gallery import write_gallery
from ferjax.explain.methods import METHODS
from ferjax.explain.run_methods import Explained, in_batches
from ferjax.explain.subjects import UNKNOWN, Subjects
from ferjax.inference import classifier
from ferjax.inference.classifier import Classifier
from ferjax.inference.inputs import expand


def explained(names=("one", "two <b>", HOSTILE), labels=(0, 2, UNKNOWN), classes=("angry", "happy", HOSTILE)):
    """Three images and everything that a page can show."""
    generator = np.random.default_rng(0)
    count = len(names)
    images = generator.integers(0, 256, (count, 16, 16, 3), np.uint8)
    probabilities = np.array([[0.95, 0.03, 0.02], [0.92, 0.05, 0.03], [0.2, 0.3, 0.5]], np.float32)
    maps = generator.normal(size=(count, 16, 16)).astype(np.float32)
    found = {method: maps if method == "occlusion" else np.abs(maps) for method in METHODS}
    theta = np.tile(np.array([[0.7, 0, 0.1], [0, 0.7, 0]], np.float32), (count, 1, 1))
    pictures = {
        "squeeze_excitation": {
            "se": {"weights": generator.uniform(size=(count, 8)), "before": maps, "after": np.abs(maps)}
        },
        "transformer": {name: {"theta": theta, "view": maps} for name in ("sdl1", "sdl2")},
        "regions": {"weights": np.full((count, 7), 1 / 7)},
    }
    about = Subjects(names, images, np.array(labels, np.int32), unread=(("a.png", HOSTILE),))
    predicted = probabilities.argmax(-1).astype(np.int32)
    return Explained(classes, about, images, probabilities, predicted, "conv2", found, pictures)


@pytest.fixture
def page(tmp_path):
    return write_gallery(explained(), tmp_path, "What <it> looks at", "a run")


def test_the_page_holds_everything_and_refers_to_nothing(page):
    html = read(page)
    outline = Outline(html)
    assert "script" not in outline.tags
    assert outline.tags.count("article") == 3
    for name, value in outline.attributes:
        if name in ("href", "src"):
            assert value.startswith("data:")
    assert "http://" not in html
    assert "https://" not in html
    text = " ".join(" ".join(outline.text).split())
    for expected in (
        "What <it> looks at",
        "Grad-CAM++",
        "95.0%",
        "Mistakes",
        "sdl2",
        "top left",
        "1 file left out",
    ):
        assert expected in text
    # SE blocks are shown of the sure one and of the mistake, not of the unsure one.
    assert html.count("feature map of se") == 2


def test_mistakes_are_marked(page):
    attributes = Outline(read(page)).attributes
    assert [value for name, value in attributes if name == "data-outcome"] == ["right", "wrong", "unknown"]


@pytest.mark.parametrize(("method", "cold"), [("saliency", False), ("occlusion", True)])
def test_the_ramp_has_a_cold_end_only_where_a_map_is_signed(tmp_path, method, cold):
    found = explained()
    html = read(write_gallery(found._replace(heat={method: found.heat[method]}), tmp_path, "One", "a run"))
    assert ("against the class" in html, "for the class" in html) == (cold, True)


def test_arrays_are_kept(tmp_path):
    found = explained()
    heat_file.save(found, tmp_path / "heat.npz")
    with np.load(tmp_path / "heat.npz", allow_pickle=False) as kept:
        np.testing.assert_array_equal(kept["heat/occlusion"], found.heat["occlusion"])
        assert list(kept["names"]) == list(found.subjects.names)
        assert list(kept["labels"]) == [0, 2, -1]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_opens_the_page_without_complaint(page, tmp_path):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--disable-quic",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<article") == 3


def test_heat_is_scaled_image_by_image():
    maps = np.zeros((3, 20, 20), np.float32)
    maps[1], maps[2] = np.linspace(-5e-10, 1e-9, 400).reshape(20, 20), -7.0
    found = heat_colours.scaled(maps)
    assert (found[0] == 0).all()
    np.testing.assert_allclose((found[1].min(), found[1, -1, -1]), (-0.5, 1), rtol=0.02)
    assert (found[2] == -1).all()


def test_heat_is_warm_cold_or_transparent(tmp_path):
    (tmp_path / "map.png").write_bytes(heat_colours.png(np.array([[-1.0, 0.0, 1.0]])))
    cold, nothing, warm = np.asarray(Image.open(tmp_path / "map.png").convert("RGBA"))[0]
    assert nothing[3] == 0
    assert warm[0] > warm[2]
    assert cold[2] > cold[0]
    assert min(warm[3], cold[3]) > 200


def test_examples_are_chosen_right_and_sure_class_by_class_and_wrong():
    said = np.array(
        [[0.95, 0.05], [0.99, 0.01], [0.6, 0.4], [0.97, 0.03], [0.02, 0.98], [0.2, 0.8], [0.7, 0.3]]
    )
    labels = np.array([0, 0, 0, 1, 1, 0, 1])
    # Mistakes: 3 (0.97), 5 (0.8), 6 (0.7). Right and sure: 0, 1 of class 0; 4 of class 1. Right: 2.
    assert subjects.choose(said, labels, 3).tolist() == [0, 4, 3]
    assert subjects.choose(said, labels, 6).tolist() == [0, 4, 1, 6, 3, 5]
    assert sorted(subjects.choose(said, labels, 50)) == list(range(7))


def test_batches_are_filled_and_cut():
    seen = []

    def double(rows):
        seen.append(len(rows))
        return {"twice": 2 * rows}

    for count in (1, 16, 37):
        rows = np.arange(count)
        np.testing.assert_array_equal(in_batches(double, rows)["twice"], 2 * rows)
    assert seen == [1, 16, 16, 16, 16]


@pytest.fixture(scope="module")
def workdir(never_killed, tmp_path_factory):
    """A copy, to write into."""
    return shutil.copytree(never_killed, tmp_path_factory.mktemp("explain") / "run")


UNUSED = Classifier(
    label_names=("sad", "happy"), image_size=2, resize="pil", grey=False, temperature=1.0, margin=0.1,
    batches=(1,), predict=lambda images: np.zeros((len(images), 2)),
)  # fmt: skip


def test_every_face_of_a_picture_is_a_subject_and_pictures_without_are_told(tmp_path):
    for name, size in (("a.png", (8, 2)), ("b.png", (4, 2)), ("none.png", (2, 2))):
        Image.new("RGB", size, (size[0], 0, 0)).save(tmp_path / name)

    def cut(image):
        return np.split(image, image.shape[1] // 4, axis=1) if image.shape[1] > 2 else []

    found = subjects.from_files([str(tmp_path)], UNUSED, cut)
    assert [name.rpartition("/")[2] for name in found.names] == ["a.png, face 1", "a.png, face 2", "b.png"]
    assert found.images[:, 0, 0, 0].tolist() == [8, 8, 4]
    ((name, reason),) = found.skipped
    assert name.endswith("none.png")
    assert "no face was found; --cropped takes every picture as one face" in reason
    assert len(subjects.from_files([str(tmp_path)], UNUSED).names) == 3
    with pytest.raises(UserError, match=r"nothing can be explained: .*none\.png: no face was found"):
        subjects.from_files([str(tmp_path / "none.png")], UNUSED, cut)


def test_a_page_holds_only_so_many_faces(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "crowd.png")
    with pytest.raises(UserError, match="401 faces are too many for a page"):
        subjects.from_files([str(tmp_path)], UNUSED, lambda image: [image] * 401)


def test_faces_are_cut_as_in_prediction(colour_run, astronaut, tmp_path):
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    detector, network = Detector(), classifier.load(colour_run)
    found = subjects.from_files([str(tmp_path)], network, detector.cut)
    (outcome,) = predict(expand([str(tmp_path)]), network, Options(detector))
    assert len(outcome.rows) == len(found.images) == 1
    np.testing.assert_array_equal(network.probabilities(found.images)[0], outcome.rows[0].probabilities)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of three kinds, and what is none."""
    place = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    colour = Image.fromarray(generator.integers(0, 256, (40, 30, 3), np.uint8))
    colour.save(place / "a.png")
    colour.convert("L").save(place / "b.jpg")
    colour.convert("RGBA").save(place / "c.webp")
    (place / "broken.png").write_bytes(b"\x89PNG and nothing else")
    (place / "notes.txt").write_text("no picture")
    return place


@pytest.mark.slow
def test_a_split_is_explained(shell, workdir, tiny_run):
    done = shell("explain", f"--workdir={workdir}", "--count=6", "--split=validation")
    assert done.returncode == 0, done.stderr
    page = workdir / "explanations" / "index.html"
    assert done.stdout.splitlines()[-1] == str(page)
    assert Outline(read(page)).tags.count("article") == 6
    with np.load(workdir / "explanations" / "heat.npz") as kept:
        shown = {name for name in kept if name.startswith("heat/")}
        # Attention rollout needs another network.
        assert shown == {f"heat/{method}" for method in METHODS if method != "attention_rollout"}
        assert np.isfinite(kept["heat/occlusion"]).all()
        np.testing.assert_allclose(kept["probabilities"].sum(1), 1, rtol=1e-5)


@pytest.mark.slow
def test_one_bad_picture_does_not_stop_the_rest(shell, workdir, folder, tmp_path):
    done = shell(
        "explain", f"--workdir={workdir}", f"--images={folder}", "--methods=grad_cam,saliency",
        "--layer=conv1", f"--out={tmp_path}", folder / "missing.png", "--cropped",
    )  # fmt: skip
    assert done.returncode == 1
    assert Outline(read(tmp_path / "index.html")).tags.count("article") == 3
    assert "broken.png" in done.stderr
    assert "missing.png: does not exist" in done.stderr
    assert "skipped" in done.stderr
    assert "notes.txt" in done.stderr
    with np.load(tmp_path / "heat.npz") as kept:
        assert (kept["labels"] == UNKNOWN).all()
        assert kept["heat/grad_cam"].shape == (3, 16, 16)


@pytest.mark.slow
def test_the_shipped_network_asks_for_pictures(shell, tmp_path):
    done = shell("explain", f"--out={tmp_path / 'out'}", f"--data_dir={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "ferjax: error: name pictures with --images=FILES: without them examples of fer2013 are explained, "
        f"which is not built in {tmp_path} (docs/data_sets.md)"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--methods=gradcam"], "unknown method 'gradcam'; the nearest are grad_cam"),
        (["--methods=squeeze_excitation"], "tiny has no SqueezeExcitation layer"),
        (["--methods=transformer"], "tiny has no SpatialTransformer layer"),
        (["--methods=regions"], "tiny has no RegionAttention layer"),
        (["--methods=attention_rollout"], "attention"),
        (["--layer=conv3"], "no spatial layer 'conv3'; the nearest are conv"),
        (["--of_class=joy"], "no class 'joy'; take predicted, actual or one of angry"),
        (["--images=FOLDER", "--cropped", "--of_class=actual"], "actual classes of files are not known"),
        (["--images=FOLDER/notes.txt"], "notes.txt"),
        (["--images=FOLDER/*.gif"], "no file has such a name"),
        (["--count=0"], "flag --count=0: 0 is not a positive integer"),
        (["--split=holdout"], "holdout"),
        (["--out=FOLDER/a.png"], "cannot write to"),
        (["--workdir=FOLDER"], "manifest.json"),
    ],
)
def test_bad_input_is_one_line(shell, workdir, folder, flags, message):
    arguments = [flag.replace("FOLDER", str(folder)) for flag in flags]
    done = shell("explain", f"--workdir={workdir}", *arguments)
    assert message in tiny.only_line(done)
