import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from PIL import Image
from scipy import special

from ferjax.data.memory_source import MemorySource
from ferjax.data.toons.render import draw_example
from ferjax.data.toons.table import AVATAAARS
from ferjax.errors import UserError
from ferjax.explain import measure as measure_module
from ferjax.explain.face_regions import REGIONS, region_maps
from ferjax.explain.measure import REFERENCES, choose, measure
from ferjax.explain.measure_page import write_measured
from ferjax.explain.measure_run import measure_run
from ferjax.inference.trained import Trained, predict_step

pytestmark = pytest.mark.slow

SIZE = 24  # of what the network takes, out of images of 32
READ = 32
METHODS = ("grad_cam", "saliency", "cam")


@pytest.fixture(scope="module")
def network():
    """Not trained: what it says stands for the truth."""
    config = tiny.tiny_configuration(data__name="toons/avataaars", data__image_size=SIZE)
    config.data.source_size = READ
    model = tiny.TinyNet()
    variables = jax.jit(model.init)(jax.random.key(5), jnp.zeros((1, SIZE, SIZE, 3)))
    return Trained(model, jax.tree.map(np.asarray, dict(variables)), config, AVATAAARS.names, SIZE, None)


@pytest.fixture(scope="module")
def source(network):
    """Fourteen toons; the last two get labels that the network finds wrong."""
    drawn = [draw_example("avataaars", "test", i, AVATAAARS.names[i % 7]) for i in range(14)]
    images = np.stack([np.asarray(Image.fromarray(image).resize((READ, READ))) for image, *_ in drawn])
    others = [
        {"pose": pose, "identity": i // 3, "parts": json.dumps(parts)}
        for i, (_, pose, parts, _) in enumerate(drawn)
    ]
    labels = np.asarray(predict_step(network)(network.variables, jnp.asarray(images))).argmax(1)
    labels[-2:] = (labels[-2:] + 1) % 7
    # A set may have another order of classes.
    return MemorySource(
        images,
        6 - labels,
        label_names=AVATAAARS.names[::-1],
        name="toons/avataaars",
        split="test",
        others=others,
    )


@pytest.fixture(scope="module")
def figures(network, source):
    return measure(network, source, per_class=5, methods=METHODS)


def test_chosen_are_those_the_network_has_right(network, source):
    found = choose(network, source, 100)
    assert len(found.images) == 12
    assert found.images.shape[1:] == (SIZE, SIZE, 3)
    assert found.regions.shape == (12, SIZE, SIZE)
    assert (np.diff(found.classes) >= 0).all()
    some = choose(network, source, 1)
    assert len(np.unique(some.classes)) == len(some.classes) == len(np.unique(found.classes))


def test_regions_and_poses_are_cropped_as_the_images(network, source):
    found = choose(network, source, 100)
    middle = slice((READ - SIZE) // 2, (READ + SIZE) // 2)
    order = np.argsort(np.asarray(6 - source.labels[:12]), kind="stable")
    whole = region_maps("avataaars", [source[i] for i in order], READ)
    np.testing.assert_array_equal(found.regions, whole[:, middle, middle])
    for pose, index in zip(found.poses, order, strict=True):
        x, y = source[index]["pose"] @ [32, 32, 1] * (READ / 64) - (READ - SIZE) / 2
        np.testing.assert_allclose(pose @ [32, 32, 1], [x, y], atol=1e-4)


def test_nothing_right_and_no_toons(network, source):
    wrong = MemorySource(
        source.take(range(3))["image"], source.labels[:3], label_names=["x"] * 7, name="toons/avataaars",
        split="test",
    )  # fmt: skip
    with pytest.raises(UserError, match="classifies no image of toons/avataaars test correctly"):
        choose(network, wrong, 2)
    photographs = MemorySource(
        source.take(range(3))["image"], source.labels[:3], label_names=source.label_names, name="fer2013",
        split="test",
    )  # fmt: skip
    with pytest.raises(UserError, match="fer2013"):
        choose(network, photographs, 2)
    with pytest.raises(UserError, match="not 0"):
        choose(network, source, 0)


def test_figures(figures, network):
    found, sample, maps = figures
    count = len(sample.images)
    assert list(maps) == [*(name for name in METHODS if name in maps), *REFERENCES]
    assert list(found["methods"]) == list(maps)
    for name, row in found["methods"].items():
        assert maps[name].shape == (count, SIZE, SIZE)
        assert np.isfinite(maps[name]).all()
        *classes, mean = row["classes"]
        assert sum(one["images"] for one in classes) == mean["images"] == count
        assert sum(mean["share"].values()) == pytest.approx(1)
        for kind in ("deletion", "insertion"):
            assert 0 < row[kind]["area"] < 1
            assert 0 <= row[kind]["wins"] <= 1
    logits = np.asarray(jax.jit(network.model.apply)(network.variables, sample.images))
    own = np.take_along_axis(special.softmax(logits, axis=1), sample.classes[:, None], 1).mean()
    assert found["methods"]["random"]["deletion"]["curve"][0] == pytest.approx(own, abs=1e-5)
    assert found["methods"]["saliency"]["insertion"]["curve"][-1] == pytest.approx(own, abs=1e-5)
    sanity = found["sanity"]
    assert sanity["layers"] == ["fc", "conv2", "bn1", "conv1"]
    assert set(sanity["correlation"]) == set(maps) - set(REFERENCES)
    assert sanity["correlation"]["saliency"][-1] < 0.9


def test_the_reference_maps_know_nothing(figures):
    found, _, maps = figures
    assert found["methods"]["random"]["classes"][-1]["face"]["density"] == pytest.approx(1, abs=0.1)
    hottest = np.unravel_index(maps["middle"][0].argmax(), (SIZE, SIZE))
    assert set(hottest) <= {SIZE // 2 - 1, SIZE // 2}
    assert (maps["middle"] == maps["middle"][0]).all()
    assert len(np.unique(maps["random"][0])) > SIZE


def test_a_method_that_cannot_is_left_out(network, source, monkeypatch):
    def cannot(*_):
        raise UserError("this network is too round")

    monkeypatch.setitem(measure_module.METHODS, "cam", cannot)
    found, _, maps = measure(network, source, 1, ("saliency", "cam"))
    assert found["left_out"] == {"cam": "this network is too round"}
    assert list(maps) == ["saliency", *REFERENCES]
    with pytest.raises(UserError, match="too round"):
        measure(network, source, 1, ("cam",))


def test_documents(figures, tmp_path):
    page = write_measured(tmp_path / "new", *figures)
    assert page.name == "measured.html"
    names = {path.name for path in page.parent.iterdir()}
    pictures = {"measured_regions", "measured_mean_heat", "measured_curves", "measured_damaged"}
    assert names == {
        "measured.html", "measured.md", "measured.json", *(f"{name}.png" for name in pictures),
        *(f"{name}.svg" for name in pictures),
    }  # fmt: skip
    text, html = (page.with_suffix(suffix).read_text() for suffix in (".md", ".html"))
    stored = json.loads(page.with_suffix(".json").read_text())
    mean = figures[0]["methods"]["saliency"]["classes"][-1]
    assert stored["methods"]["saliency"]["classes"][-1]["share"] == pytest.approx(mean["share"])
    share = f"{100 * mean['face']['share']:.1f}%"
    (line,) = (line for line in text.splitlines() if line.startswith("| Saliency") and "%" in line
               and line.count("|") == 9)  # fmt: skip
    assert share in line
    assert share in html
    for region in REGIONS:
        assert f"{region} |" in text
    for name in pictures:
        assert f"({name}.png)" in text


def test_a_set_without_known_parts_is_refused_before_it_is_read(never_killed, tiny_model, tmp_path):
    with pytest.raises(UserError, match="fer2013 lie"):
        measure_run(never_killed, tmp_path / "out")
    assert not (tmp_path / "out").exists()
