"""StableHLO programs compute what the network computes; and the command that writes all formats."""

import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny
from networks import pictures, trained_network
from PIL import Image

from ferjax.deploy import export_check, stablehlo
from ferjax.errors import UserError
from ferjax.inference import bundle, trained
from ferjax.inference.open_run import open_network

BATCHES = (1, 2, 7)


def answers(network, images):
    """The probabilities, straight from the network's definition."""
    return np.exp(np.asarray(jax.jit(trained.predict_step(network))(network.variables, images)))


def written(network, folder):
    path = folder / "network.stablehlo"
    path.write_bytes(stablehlo.export(network))
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The tiny network (of grey pictures) and its program."""
    with tiny.registered():
        network = trained_network()
        return network, written(network, tmp_path_factory.mktemp("program"))


def assert_same_probabilities(network, path, batches, tolerance=export_check.TOLERANCE):
    """The program agrees with the network on batches of several sizes; the network runs the largest."""
    images = pictures(max(batches), network.input_size)
    expected, run = answers(network, images), stablehlo.load(path)
    assert expected.std(axis=0).max() > 0.01
    for batch in batches:
        np.testing.assert_allclose(run(images[:batch]), expected[:batch], atol=tolerance)


def test_its_probabilities_are_those_of_the_network(program):
    assert_same_probabilities(*program, BATCHES)


@pytest.mark.parametrize(("name", "fields"), [
    ("tiny", {"data__name": "toons/avataaars", "data__source_size": 20, "eval__crops": "ten"}),
    ("attentional_cnn", {"data__image_size": 48}),
    ("ran", {"data__image_size": 32}),
])  # fmt: skip
@pytest.mark.slow
def test_crops_transformers_and_regions(tiny_model, tmp_path, name, fields):
    network = trained_network(name, **fields)
    # Where a transformer with random weights samples, rounding alone moves a probability by up to 2e-5:
    # with jit and without, with convolutions by pairs and without.
    allowed = 5 * export_check.TOLERANCE if name == "attentional_cnn" else export_check.TOLERANCE
    assert_same_probabilities(network, written(network, tmp_path), (1, 3), allowed)


def test_one_program_is_for_all_platforms_and_batches(program):
    exported = jax.export.deserialize(bytearray(program[1].read_bytes()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    ((images,), (said,)) = exported.in_avals, exported.out_avals
    assert (str(images.shape), images.dtype) == ("(batch, 16, 16, 3)", "uint8")
    assert (str(said.shape), said.dtype) == ("(batch, 7)", "float32")


def test_each_platform_has_its_own_convolutions(program):
    """What is chosen by the platform is chosen when the program is compiled, not when it runs."""
    exported = jax.export.deserialize(bytearray(program[1].read_bytes()))
    assert "stablehlo.case" in exported.mlir_module()
    images = jax.ShapeDtypeStruct((2, 16, 16, 3), np.uint8)
    assert " conditional(" not in jax.jit(exported.call).lower(images).compile().as_text()


def test_no_path_of_the_machine_is_in_it(program):
    content = program[1].read_bytes()
    assert b"TinyNet" in content  # layers are named
    assert str(tiny.HERE.parent).encode() not in content
    assert b".py" not in content


@pytest.mark.slow
def test_a_process_without_ferjax_runs_it(program, tmp_path):
    network, path = program
    images = pictures(3, network.input_size)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, numpy as np, jax, jax.export as e\n"
        "program, images, out = sys.argv[1:]\n"
        "run = e.deserialize(bytearray(open(program, 'rb').read())).call\n"
        "np.save(out, run(np.load(images)))\n"
        "assert 'ferjax' not in sys.modules and 'flax' not in sys.modules\n"
    )
    arguments = [path, tmp_path / "images.npy", tmp_path / "said.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "said.npy"), answers(network, images), atol=export_check.TOLERANCE
    )


def test_other_shapes_and_files_are_refused(program, tmp_path):
    run = stablehlo.load(program[1])
    for images in (pictures(1, 17), pictures(1, 16).astype(np.float32)):
        with pytest.raises((ValueError, TypeError)):
            run(images)
    (tmp_path / "a").write_bytes(program[1].read_bytes()[:1000])
    (tmp_path / "b").write_text("text")
    for name in ("a", "b"):
        with pytest.raises(UserError, match="is no program that ferjax exported"):
            stablehlo.load(tmp_path / name)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        stablehlo.load(tmp_path / "c")


def test_a_program_that_says_something_else_is_not_kept(program):
    network, path = program
    run = stablehlo.load(path)
    assert export_check.largest_difference(network, run) <= export_check.TOLERANCE
    with pytest.raises(ArithmeticError, match="differs by"):
        export_check.largest_difference(network, lambda images: np.asarray(run(images)) + 2e-5)
    with pytest.raises(ArithmeticError, match="differs by"):
        export_check.largest_difference(network, lambda images: np.asarray(run(images)) * np.nan)


@pytest.mark.slow
@pytest.mark.relative
def test_resemotenet(tmp_path):
    """On a CPU with ferjax's convolutions, on other platforms with XLA's: each compiles only its own."""
    network = trained_network("resemotenet", data__name="toons/avataaars", data__image_size=64)
    assert_same_probabilities(network, written(network, tmp_path), (5,))


# The command.


@pytest.mark.slow
def test_a_runs_files(shell, never_killed, tmp_path):
    out = tmp_path / "out"
    done = shell("export", f"--workdir={never_killed}", f"--out={out}", "--formats=stablehlo,bundle,zip")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in out.iterdir()} == {
        "network.stablehlo", "bundle", "bundle.zip", "MODEL_CARD.md",
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with tiny.registered():
        network, read = open_network(never_killed), bundle.read(out / "bundle.zip")
    assert read.temperature == network.temperature
    jax.tree.map(np.testing.assert_array_equal, read.variables, network.variables)
    images = pictures(4, network.input_size)
    said = stablehlo.load(out / "network.stablehlo")(images)
    np.testing.assert_allclose(said, answers(network, images), atol=export_check.TOLERANCE)
    card = (out / "MODEL_CARD.md").read_text()
    assert card == bundle.read_card(out / "bundle")
    assert f"/bundle: {tiny_size(out / 'bundle')}" in done.stdout

    again = tmp_path / "again"
    done = shell("export", f"--workdir={out / 'bundle'}", f"--out={again}", "--formats=zip")
    assert (done.returncode, done.stderr) == (0, "")
    assert (again / "bundle.zip").read_bytes() == (out / "bundle.zip").read_bytes()


@pytest.mark.slow
def test_a_bundle_that_tells_what_is_unlike_training(shell, never_killed, tmp_path):
    flags = (f"--workdir={never_killed}", "--formats=bundle", "--unlike=conv2")
    done = shell("export", *flags, f"--out={tmp_path / 'out'}")
    assert (done.returncode, done.stderr) == (0, "")
    with tiny.registered():
        read = bundle.read(tmp_path / "out" / "bundle")
    assert (read.unlike.layer, len(read.unlike.mean)) == ("conv2", 32)
    assert "unlike the faces that it was trained on" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "black.png")
    done = shell(
        "predict", "--cropped", f"--workdir={tmp_path / 'out' / 'bundle'}", str(tmp_path / "black.png")
    )
    assert done.stdout.endswith("  unlike the faces it was trained on\n")


def tiny_size(folder):
    return f"{sum(file.stat().st_size for file in folder.iterdir()) / 2**20:.0f} MiB"


@pytest.mark.slow
def test_bad_input_is_told_in_one_line_and_nothing_is_written(shell, never_killed, tmp_path):
    out = tmp_path / "out"

    def line(*flags, workdir=never_killed):
        told = tiny.only_line(shell("export", f"--workdir={workdir}", f"--out={out}", *flags))
        assert list(tmp_path.iterdir()) == []
        return told

    known = "--formats takes some of stablehlo, onnx, onnx-fp16, onnx-int8, web, bundle, zip, not"
    assert f"{known} tflite" in line("--formats=bundle,tflite")
    assert f"{known} none" in line("--formats=")
    assert "does not exist; name a run's workdir or a bundle" in line(workdir=tmp_path / "nowhere")
    assert "is no bundle: it has no manifest.json" in line(workdir=tiny.HERE)
    # As where the tests' commands run: without onnxruntime.
    assert "ONNX needs the package onnxruntime: pip install 'ferjax[onnx]'" in line("--formats=onnx")
    assert "unexpected argument 'x'" in line("x")
    keeping = "--unlike is kept by --formats=onnx, onnx-fp16, web, bundle, zip alone"
    assert keeping in line("--unlike=a", "--formats=stablehlo")
    told = line("--unlike=conv3", "--formats=zip")
    assert (
        "tiny has no layer 'conv3' of at most 256 channels of maps; it has conv1, bn1, Dropout_0, conv2"
        in told
    )


def test_a_full_folder_is_never_written(shell, never_killed, tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    done = shell("export", f"--workdir={never_killed}", f"--out={tmp_path}")
    assert "is not empty" in tiny.only_line(done)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
