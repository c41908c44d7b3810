"""Weights of an earlier run in a new one: every array is loaded, new or refused, and recorded."""

import json
import re
import shutil

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny

from ferjax import models
from ferjax.data.labels import FER7, FER8
from ferjax.errors import UserError
from ferjax.layers.linear import Linear
from ferjax.models.resnet import ResNet
from ferjax.runs import weights
from ferjax.training import transfer
from ferjax.training.array_outcomes import LOADED, MISFIT, NEW, SKIPPED, check, classifier, decide
from ferjax.training.initial_weights import Origin, read
from ferjax.training.loop import train_and_evaluate
from ferjax.training.setup import build_model
from ferjax.training.stages import parameter_shapes

pytestmark = pytest.mark.usefixtures("tiny_model")
SHORT = {"checkpoint__every_steps": 0, "train__max_steps": 2}


def origin(names=FER7, size=16, network="tiny", model=None, **changes):
    """A source of ones, in the shapes of a network."""
    shapes = parameter_shapes(model or tiny.TinyNet(len(names or FER7)), (size, size, 3))
    arrays = {f"params/{path}": np.ones(shape, np.float32) for path, shape in shapes.items()}
    arrays |= {f"batch_stats/bn1/{name}": np.ones(8, np.float32) for name in ("mean", "var")}
    return Origin("there", network, arrays, names, size, 3, [])._replace(**changes)


def accounted(source, names=FER7, features=8, **fields):
    """The account for a tiny network."""
    config = tiny.tiny_configuration(**fields)
    config.model.features = features
    model = build_model(config, len(names))
    size = config.data.image_size
    shapes = {f"params/{path}": shape for path, shape in parameter_shapes(model, (size, size, 3)).items()}
    shapes |= {f"batch_stats/bn1/{name}": (features,) for name in ("mean", "var")}
    rows = decide(source, config, model, names, shapes)
    assert [row.path for row in rows] == sorted(row.path for row in rows)
    return rows


def outcomes(rows):
    return {row.path: row.outcome for row in rows}


HEAD = {"params/fc/kernel", "params/fc/bias"}


def test_the_classifier_is_what_depends_on_the_classes():
    assert classifier(tiny.TinyNet(), (16, 16, 3)) == {"fc/kernel", "fc/bias"}
    assert classifier(models.create("resemotenet"), (64, 64, 3)) == {"fc4/kernel", "fc4/bias"}


@pytest.mark.parametrize(
    ("source_names", "kept"),
    [
        (FER7, True),
        (("anger", *FER7[1:]), True),  # another word for the same class
        (FER7[::-1], False),  # as many, in another order
        (FER8, False),
        (None, False),
    ],
)
def test_the_classifier_is_kept_only_for_the_same_classes(source_names, kept):
    rows = accounted(origin(source_names))
    assert {row.path for row in rows if row.outcome == NEW} == (set() if kept else HEAD)
    assert all(row.outcome == LOADED for row in rows if row.path not in HEAD)
    if not kept:
        told = "unknown" if source_names is None else ", ".join(source_names)
        assert all(told in row.why for row in rows if row.path in HEAD)


def test_another_network_is_refused_with_what_differs(capsys):
    rows = accounted(origin(network="other"), features=4)
    wrong = {row.path for row in rows if row.outcome == MISFIT}
    assert wrong == {path for path in outcomes(rows) if path not in ("params/fc/bias",)}
    with pytest.raises(
        UserError, match=r"init.from=there is of the network other and does not fit tiny: 9 arr"
    ):
        check(origin(network="other"), rows, "tiny")
    printed = capsys.readouterr().out
    assert all(path in printed for path in wrong)
    assert "3×3×3×4" in printed
    assert "3×3×3×8 in the source" in printed
    source = origin()
    missing = source._replace(arrays={k: v for k, v in source.arrays.items() if "conv2" not in k})
    extra = source._replace(arrays={**source.arrays, "params/more/kernel": np.ones((1, 2))})
    for broken, path, why in (
        (missing, "params/conv2/kernel", "not in the source"),
        (extra, "params/more/kernel", "this network has no such parameter"),
    ):
        (row,) = [row for row in accounted(broken) if row.path == path]
        assert (row.outcome, row.why) == (MISFIT, why)


def test_grey_and_colour_kernels_answer_a_grey_image_alike():
    source = origin()
    grey = np.arange(72, dtype=np.float32).reshape(3, 3, 1, 8)
    rows = accounted(source._replace(arrays={**source.arrays, "params/conv1/kernel": grey}))
    (row,) = [row for row in rows if row.path == "params/conv1/kernel"]
    assert (row.outcome, row.why) == (LOADED, "from 1 input channels")
    colour = transfer._fitted(grey, (3, 3, 3, 8))
    np.testing.assert_allclose(colour.sum(2, keepdims=True), grey, rtol=1e-6)
    np.testing.assert_allclose(transfer._fitted(colour, grey.shape), grey, rtol=1e-6)


class Flat(nn.Module):
    """A classifier on pixels: its first layer follows the size of the images."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, images, train=False):
        x = Linear(4, name="body")(images.reshape(images.shape[0], -1))
        return Linear(self.num_classes, name="fc")(x)


def shapes_of(model, size=16):
    shapes = parameter_shapes(model, (size, size, 3))
    return {f"params/{path}": shape for path, shape in shapes.items()}


def without_statistics(source):
    return source._replace(arrays={k: v for k, v in source.arrays.items() if k.startswith("params/")})


def test_layers_whose_size_follows_the_images_are_new():
    config = tiny.tiny_configuration(data__image_size=8)
    source = without_statistics(origin(model=Flat(), size=16))
    found = {row.path: row for row in decide(source, config, Flat(), FER7, shapes_of(Flat(), 8))}
    row = found.pop("params/body/kernel")
    assert (row.outcome, row.why) == (NEW, "768×4 in the source, at 16 pixels")
    assert {row.outcome for row in found.values()} == {LOADED}
    for other in (source._replace(image_size=None), source._replace(image_size=32)):
        found = outcomes(decide(other, config, Flat(), FER7, shapes_of(Flat(), 8)))
        assert found["params/body/kernel"] == MISFIT


def test_positions_of_another_image_size_are_resampled():
    model = models.create("vit_tiny48", width=8, depth=1, heads=2)
    config = tiny.tiny_configuration(data__image_size=24)
    source = without_statistics(origin(model=model, size=12))
    found = {row.path: row for row in decide(source, config, model, FER7, shapes_of(model, 24))}
    row = found.pop("params/pos_embed")
    assert (row.outcome, row.why) == (LOADED, "resampled from 2×2 to 4×4 patches")
    assert {row.outcome for row in found.values()} == {LOADED}
    moved = transfer._fitted(source.arrays["params/pos_embed"], row.shape)
    np.testing.assert_allclose(moved, np.ones((1, 17, 8)), rtol=1e-6)


class Around(nn.Module):
    """A network with another one in it."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, images, train=False):
        features = ResNet(depth=18, num_classes=0, name="backbone")(images, train)
        return Linear(self.num_classes, name="head")(features)


def test_a_source_may_be_a_part_of_the_network():
    config = tiny.tiny_configuration(init__into="backbone", data__image_size=32)
    source = without_statistics(origin(network="resnet18", model=models.create("resnet18"), size=32))
    rows = decide(source, config, Around(), FER7, shapes_of(Around(), 32))
    by_outcome = {}
    for row in rows:
        by_outcome.setdefault(row.outcome, set()).add(row.path)
    assert by_outcome.pop(LOADED) >= {
        "params/backbone/conv1/kernel",
        "params/backbone/bn1/scale",
    }
    assert by_outcome == {
        NEW: {"params/head/kernel", "params/head/bias"},
        SKIPPED: {"params/backbone/fc/kernel", "params/backbone/fc/bias"},
    }


def test_what_is_asked_for_begins_anew_whether_it_would_fit_or_not():
    assert outcomes(accounted(origin()))["params/conv1/kernel"] == LOADED
    found = outcomes(accounted(origin(), init__new="^conv1/"))
    assert {path for path, outcome in found.items() if outcome == NEW} == {
        path for path in found if path.startswith("params/conv1/")
    }
    narrow = origin(model=tiny.TinyNet(features=4))
    assert outcomes(accounted(narrow))["params/conv1/kernel"] == MISFIT
    assert outcomes(accounted(narrow, init__new="^conv1/"))["params/conv1/kernel"] == NEW


@pytest.mark.parametrize(
    ("pattern", "told"),
    [("^conv9/", "matches no parameter; the last ones are"), ("(", "no regular expression")],
)
def test_a_pattern_of_nothing_is_refused(pattern, told):
    with pytest.raises(UserError, match=told):
        accounted(origin(), init__new=pattern)


@pytest.mark.parametrize(("module", "words"), [
    ("face_net", "'face_net' is no module of the network; the nearest are .*fc"),
    ("conv", "'conv' is no module of the network; the nearest are .*conv1"),
    ("conv1/kernel", "is no module of the network"),
])  # fmt: skip
def test_a_module_that_is_none_is_refused(module, words):
    with pytest.raises(UserError, match=words):
        accounted(origin(), init__into=module)


def test_a_source_of_which_nothing_is_loaded_is_refused():
    rows = accounted(origin(), init__new=".")
    assert set(outcomes(rows).values()) == {NEW}
    with pytest.raises(UserError, match=r"init\.from=there: no array of it would be loaded"):
        check(origin(), rows, "tiny")
    check(origin(), accounted(origin(), init__new="^conv1/"), "tiny")


@pytest.mark.slow
def test_a_run_begins_with_the_best_weights_of_another(never_killed, tiny_run, tmp_path, capsys):
    """Also at another image size; the averaged weights, as validation judged them."""
    config = tiny_run.config(**SHORT, init__freeze="^(?!fc)", data__image_size=24, optimizer__ema_decay=0.5)
    config.init["from"] = str(never_killed)
    result = train_and_evaluate(config, tmp_path / "run")
    source, _ = weights.load(never_killed)
    trained, _ = weights.load(tmp_path / "run")
    tiny.assert_same(tiny.plain_tree(source["params"]["conv1"]), tiny.plain_tree(trained["params"]["conv1"]))
    tiny.assert_same(tiny.plain_tree(source["batch_stats"]), tiny.plain_tree(trained["batch_stats"]))
    assert not np.array_equal(source["params"]["fc"]["kernel"], trained["params"]["fc"]["kernel"])

    best = json.loads((never_killed / "result.json").read_text())
    told = result["init"]
    assert (told["from"], told["network"], told["step"]) == (str(never_killed), "tiny", best["best_step"])
    assert (told["loaded"], told["new"], told["skipped"]) == (10, 0, 0)
    assert len(told["checksum"]) == 8
    assert told["trained_on"][0]["split_digests"]["train"] == best["split_digests"]["train"]
    written = json.loads((tmp_path / "run" / "init.json").read_text())["parameters"]
    assert len(written) == 10
    assert {row["outcome"] for row in written} == {"loaded"}
    printed = capsys.readouterr().out
    assert re.search(r"\nparams/conv1/kernel +3×3×3×8 +loaded\n", printed)
    assert f"initial weights from {never_killed}, step {best['best_step']} (tiny, checksum " in printed
    assert "10 arrays loaded, 0 new, 0 of the source skipped" in printed


@pytest.mark.slow
def test_one_checkpoint_an_import_and_resuming_without_the_source(never_killed, tiny_run, tmp_path):
    """The source may go away once the run has begun, and other weights in it change nothing."""
    source = shutil.copytree(never_killed, tmp_path / "source")
    steps = sorted(int(path.name) for path in (source / "checkpoints").iterdir())
    config = tiny_run.config(**SHORT)
    config.init["from"] = str(source / "checkpoints" / str(steps[-1]))
    assert read(config).step == steps[-1]
    whole = train_and_evaluate(config, tmp_path / "whole")
    train_and_evaluate(config, tmp_path / "again")
    (tmp_path / "again" / "result.json").unlink()
    shutil.rmtree(source)
    again = train_and_evaluate(config, tmp_path / "again")
    assert tiny.steady(again) == tiny.steady(whole)

    variables, _ = weights.load(never_killed)
    weights.save(tmp_path / "imported", "tiny", variables, {"num_classes": 7})
    config.init["from"] = str(tmp_path / "imported")
    found = read(config)
    assert (found.label_names, found.step, found.network) == (None, 0, "tiny")
    tiny.assert_same(
        tiny.plain_tree(found.arrays["params/conv1/kernel"]),
        tiny.plain_tree(variables["params"]["conv1"]["kernel"]),
    )


def test_sources_that_are_none(tiny_run, never_killed, tmp_path):
    damaged = shutil.copytree(never_killed, tmp_path / "damaged")
    best = json.loads((damaged / "result.json").read_text())["best_step"]
    tiny.flip(damaged / "checkpoints" / str(best) / "state")
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    for path, words in (
        (
            tmp_path / "none",
            "none is no folder; name a workdir, one of its checkpoints, an import, a bundle, a file",
        ),
        (tmp_path / "empty", "holds no whole checkpoint"),
        (damaged, "is damaged"),
        (tmp_path / "no.safetensors", "."),
    ):
        config = tiny_run.config(**SHORT)
        config.init["from"] = str(path)
        with pytest.raises(UserError, match=words):
            train_and_evaluate(config, tmp_path / "run")
        assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_another_network_through_the_command(never_killed, tiny_run, tmp_path, shell):
    arguments = tiny.train_arguments(
        tiny_run.data, tmp_path / "run", f"--config.init.from={never_killed}", "--config.model.norm=False"
    )
    done = shell(*arguments)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "is of the network tiny and does not fit tiny: 4 arrays differ (batch_stats/bn1/mean" in line
    assert "params/bn1/scale" in done.stdout


@pytest.mark.slow
def test_weights_of_one_device_on_several(never_killed, tiny_run, tmp_path):
    flags = [f"--config.init.from={never_killed}", "--config.train.max_steps=2"]
    tiny_run.run(tmp_path / "one", *flags)
    output = tiny_run.run(tmp_path / "four", *flags, "--config.mesh.fsdp=2", JAX_NUM_CPU_DEVICES="4")
    assert "4 × cpu" in output
    found, expected = tiny.newest(tmp_path / "four")[0], tiny.newest(tmp_path / "one")[0]
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-3, atol=2e-5, err_msg=name)
    assert tiny.result(tmp_path / "four")["init"] == tiny.result(tmp_path / "one")["init"]


@pytest.mark.slow
def test_a_file_of_pytorch_weights(tmp_path):
    """Of ferjax's own export: the body is taken, the classifier is new, for a file names no classes."""
    pytest.importorskip("safetensors")
    from ferjax.interop import torch_files, torch_weights

    model = models.create("resnet18")
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), dict(shapes))
    path = tmp_path / "weights.safetensors"
    torch_files.write_state_dict(path, torch_weights.export_state_dict("resnet18", variables), {})
    config = tiny.tiny_configuration(data__image_size=32)
    config.model = {"name": "resnet18"}
    config.init["from"] = str(path)
    found = read(config)
    assert (found.step, found.label_names) == (None, None)
    np.testing.assert_array_equal(found.arrays["params/conv1/kernel"], variables["params"]["conv1"]["kernel"])
    config.init.into = "backbone"
    with pytest.raises(UserError, match="torch-import"):
        read(config)
