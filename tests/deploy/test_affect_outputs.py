"""Valence and arousal in what predict writes and draws, in bundles, programs and PyTorch's files."""

import csv
import io
import json

import jax
import numpy as np
import pytest
import tiny
from networks import pictures, trained_network
from PIL import Image

from ferjax.data.labels import FER7, FER8
from ferjax.deploy import export_check, output_rows, stablehlo
from ferjax.deploy.annotate import annotate
from ferjax.deploy.annotated_files import AnnotatedFiles
from ferjax.deploy.model_card import model_card
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.inference import bundle, trained
from ferjax.inference.classifier import Classifier
from ferjax.inference.inputs import expand
from ferjax.inference.open_run import open_network
from ferjax.interop.import_file import Wanted, import_file
from ferjax.interop.network_arrays import arrays_of
from ferjax.interop.torch_files import write_state_dict
from ferjax.interop.torch_networks import network as table_of
from ferjax.interop.torch_weights import export_state_dict
from ferjax.report.affect_tables import COMPUTED

pytestmark = pytest.mark.usefixtures("tiny_registered")
ROW = output_rows.Row(
    "a.jpg", output_rows.OK, face=1, box=(5, 5, 60, 60), probabilities=np.float32([0.2, 0.8]),
    affect=np.float32([0.42, -0.1]),
)  # fmt: skip
LABELS = ("sad", "happy")


@pytest.fixture(scope="module")
def network():
    with tiny.registered():
        return trained_network(data__name="toons/avataaars", affect__head="beside", eval__crops="flip")


@pytest.fixture(scope="module")
def asked(network):
    return Classifier.of(network)


@pytest.fixture(scope="module")
def images():
    return pictures(3, 16)


@pytest.fixture(scope="module")
def said(network, images):
    """Probabilities and values, straight from the network's definition."""
    logs, values = jax.jit(trained.answer_step(network))(network.variables, images)
    return np.exp(logs), np.asarray(values)


# ---------------------------------------------------------------- predict


def test_a_classifier_says_both(asked, images, said):
    chances, values, unlike = asked.answers(images)
    assert unlike is None
    np.testing.assert_allclose(chances, said[0], atol=1e-6)
    np.testing.assert_allclose(values, said[1], atol=1e-5)
    assert values.std() > 0.01
    np.testing.assert_array_equal(asked.probabilities(images), chances)
    assert asked.answers(images[:0]).affect.shape == (0, 2)


def test_predict_gives_every_face_its_values_and_draws_the_plane(asked, images, said, tmp_path):
    (tmp_path / "in").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "in" / f"{number}.png")
    inputs = list(expand([str(tmp_path / "in")]))
    outcomes = list(predict(inputs, asked, Options(None, keep=True)))
    found = np.stack([outcome.rows[0].affect for outcome in outcomes])
    np.testing.assert_allclose(found, said[1], atol=1e-5)
    files = AnnotatedFiles(tmp_path / "out", FER7, 1, 0.0, inputs, has_affect=True)
    files.add(outcomes[0])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0-plane.png", "0.jpg"]
    (tmp_path / "out" / "1-plane.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"1-plane\.png was not written by ferjax predict"):
        AnnotatedFiles(tmp_path / "out", FER7, 1, 0.0, inputs, has_affect=True)


def written(kind, *rows, has_affect=True):
    out = io.StringIO()
    writer = output_rows.writer(kind, LABELS, 0, out, has_affect=has_affect)
    for row in rows:
        writer.write(row)
    writer.close()
    return out.getvalue()


def test_rows_hold_them():
    row = json.loads(written("jsonl", ROW))
    assert (row["valence"], row["arousal"]) == (pytest.approx(0.42), pytest.approx(-0.1))
    failed = output_rows.Row("b.jpg", output_rows.FAILED, "broken")
    head, first, second = csv.reader(io.StringIO(written("csv", ROW, failed)))
    assert head[-4:] == ["unsure", "set", "valence", "arousal"]
    assert first[-2:] == ["0.42", "-0.1"]
    assert second[-2:] == ["", ""]
    assert len(head) == len(first) == len(second)
    assert written("table", ROW).rstrip().endswith("valence +0.42  arousal -0.10")
    plain = ROW._replace(affect=None)
    assert "arousal" not in written("table", plain) + written("jsonl", plain)
    assert "arousal" not in written("csv", plain, has_affect=False)


def test_a_videos_line_has_their_means():
    rows = [ROW._replace(time=time, affect=np.float32([time, -time]), lasts=0.1) for time in (0.0, 0.5)]
    assert "valence +0.25  arousal -0.25" in written("table", *rows)


def test_a_picture_shows_them():
    image = np.full((120, 160, 3), 90, np.uint8)
    bare = annotate(image, [ROW._replace(affect=None)], LABELS)
    drawn = annotate(image, [ROW], LABELS)
    other = annotate(image, [ROW._replace(affect=np.float32([-3.0, 0.9]))], LABELS)  # beyond the border
    assert (drawn != bare).any()
    assert (drawn != other).any()


# ---------------------------------------------------------------- files of the network


@pytest.mark.parametrize("name", ["network.zip", "network"])
def test_a_bundle_keeps_them(network, images, said, name, tmp_path):
    bundle.write(network, "card", tmp_path / name)
    read = open_network(tmp_path / name)
    assert read.affect_head == network.affect_head
    tiny.assert_same(tiny.plain_tree(read.variables), tiny.plain_tree(network.variables))


def test_a_card_tells_of_them(network):
    text = model_card(network, None)
    assert "and valence and arousal, about −1 to 1 each" in text
    assert COMPUTED in text
    assert "alence" not in model_card(trained_network(), None)


def test_a_program_gives_a_pair(network, images, said, tmp_path):
    path = tmp_path / "network.stablehlo"
    path.write_bytes(stablehlo.export(network))
    chances, values = stablehlo.load(path)(images)
    np.testing.assert_allclose(chances, said[0], atol=export_check.TOLERANCE)
    np.testing.assert_allclose(values, said[1], atol=1e-4)

    def wrong(images):
        chances, values = stablehlo.load(path)(images)
        return chances, values + 0.01

    with pytest.raises(ArithmeticError, match="differs by"):
        export_check.largest_difference(network, wrong)


# ---------------------------------------------------------------- PyTorch

NAME = "fer_cnn"
WANTED = Wanted(NAME, {}, FER8, image_size=48, affect=True)


@pytest.fixture(scope="module")
def state():
    """A classifier of ten outputs, as HSEmotion's va_mtl networks have."""
    rng = np.random.default_rng(0)
    described = arrays_of(NAME, table_of(NAME)._replace(image_size=48), 10, {})
    return {key: rng.normal(0, 0.05, one.torch_shape).astype(np.float32) for key, one in described.items()}


@pytest.fixture
def file(state, tmp_path):
    write_state_dict(tmp_path / "va.safetensors", state, {})
    return tmp_path / "va.safetensors"


def test_ten_outputs_become_eight_classes_and_a_head_and_back(file, state, tmp_path):
    torch = pytest.importorskip("torch")
    from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
    from ferjax.interop.torch_networks import counterpart

    import_file(file, tmp_path / "net", WANTED)
    network = open_network(tmp_path / "net")
    assert network.label_names == FER8
    assert network.affect_head.features == state["fc2.weight"].shape[1]
    back = export_state_dict(NAME, network.variables, image_size=48)
    assert set(back) == set(state)
    for key, array in state.items():
        np.testing.assert_array_equal(back[key], array)

    images = pictures(2, 48)
    logs, values = jax.jit(trained.answer_step(network))(network.variables, images)
    plain = counterpart(NAME, 10, 48).eval()
    plain.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    with torch.no_grad():
        pixels = (torch.from_numpy(images).float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(
            IMAGENET_STD
        )
        outputs = plain(pixels.permute(0, 3, 1, 2))
    np.testing.assert_allclose(outputs[:, 8:], values, atol=1e-4)
    np.testing.assert_allclose(outputs[:, :8].softmax(-1), np.exp(logs), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"affect": False}, "has 10 outputs, and --classes names 8 .* or add --affect if the last two"),
        ({"classes": FER7}, "with --affect name the first 8, in their order"),
        ({"classes": ()}, "--affect changes nothing without --classes"),
    ],
)
def test_other_numbers_of_outputs_are_refused(file, tmp_path, changes, told):
    with pytest.raises(UserError, match=told) as caught:
        import_file(file, tmp_path / "net", WANTED._replace(**changes))
    assert len(str(caught.value)) <= 400
    assert not (tmp_path / "net").exists()


@pytest.mark.slow
def test_an_onnx_file_has_two_outputs(state, file, tmp_path):
    pytest.importorskip("onnxruntime")
    from ferjax.deploy import onnx

    import_file(file, tmp_path / "net", WANTED)
    network = open_network(tmp_path / "net")
    assert onnx.export(network, tmp_path / "net.onnx") <= export_check.TOLERANCE
    chances, values = onnx.load(tmp_path / "net.onnx")(pictures(3, 48))
    assert (chances.shape, values.shape) == ((3, 8), (3, 2))
