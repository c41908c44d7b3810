"""DAN, DDAMFN, POSTER++ and the residual masking network: the authors' files, counts, refusals, numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.compared import compare
from ferjax.interop.torch_weights import export_state_dict, import_state_dict

BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "relative_position_index")
SMALL_POSTER = {"depth": 18, "embedding": 64, "resized": 32}


def shapes(name, size, **options):
    model = models.create(name, **options)
    found = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, size, size, 3)))
    return {key: found[key] for key in ("params", "batch_stats")}


def drawn(name, size, **options):
    """Variables of noise."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.random(leaf.shape, np.float32), shapes(name, size, **options))


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fed", "module"),
    [
        ("dan", 19_724_248 + 8 * 512, 19_724_248),  # the centres of its loss are not in the module
        ("ddamfn", 4_106_512, 4_187_936),
        ("poster_v2", 43_754_710, 58_317_363),
    ],
)
def test_parameters_with_eight_classes_and_those_of_the_authors_module(name, fed, module):
    own = shapes(name, 112, num_classes=8)
    assert count(own["params"]) == fed
    blank = jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), own)
    exported = export_state_dict(name, blank)
    assert count([value for key, value in exported.items() if not key.endswith(BUFFERS)]) == module
    assert count(own["params"].get("face_landback", {})) == (911_232 if name == "poster_v2" else 0)


def test_positions_in_the_exported_window_are_numbered_as_by_the_authors():
    from ferjax.interop.torch_names.poster_v2 import _offsets

    places = [(row, column) for row in range(3) for column in range(3)]
    expected = [[(a[0] - b[0] + 2) * 5 + a[1] - b[1] + 2 for b in places] for a in places]
    np.testing.assert_array_equal(_offsets(3), expected)


def assert_same(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, tree, expected)


def test_layers_that_are_never_called_are_left_out_and_told(caplog):
    caplog.set_level("INFO")
    variables = drawn("ddamfn", 112)
    file = {f"module.{key}": value for key, value in export_state_dict("ddamfn", variables).items()}
    assert_same(import_state_dict("ddamfn", {"model_state_dict": file}), variables)
    assert "left out, for the network does not use them: features.2.conv_dw.bn.weight" in caplog.text
    file["module.features.9.weight"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match=r"1 unknown: features\.9\.weight"):
        import_state_dict("ddamfn", {"model_state_dict": file})


def test_the_centres_of_dans_loss_begin_anew_and_a_classifier_goes_with_its_normalisation(caplog):
    caplog.set_level("INFO")
    variables = drawn("dan", 64)
    file = export_state_dict("dan", variables)
    read = import_state_dict("dan", file)
    assert "the centres of the affinity loss are not in the file" in caplog.text
    assert read["params"]["centers"].std() > 0.9
    del read["params"]["centers"], variables["params"]["centers"]
    assert_same(read, variables)
    without = import_state_dict("dan", file, num_classes=5, head="fit")
    assert not {"fc", "bn", "centers"} & without["params"].keys()
    assert "bn" not in without["batch_stats"]
    whole = export_state_dict("dan", drawn("dan", 64), published=False)
    assert import_state_dict("dan", whole)["params"]["centers"].max() < 1  # the file's own


@pytest.mark.parametrize("name", ["dan", pytest.param("ddamfn", marks=pytest.mark.relative)])
def test_other_classes_are_refused(name):
    file = export_state_dict(name, drawn(name, 112, num_classes=8))
    with pytest.raises(UserError, match="its classifier has 8 classes, not 7: pass that num_classes"):
        import_state_dict(name, file, num_classes=7)


def test_a_layer_under_two_names_is_read_by_either_and_written_under_both():
    options = {"width": 8}
    variables = drawn("resmaskingnet", 64, **options)
    file = export_state_dict("resmaskingnet", variables, **options)
    alias, name = "mask1.downsample1.0.weight", "mask1.conv1.downsample.0.weight"
    np.testing.assert_array_equal(file[alias], file[name])
    assert_same(import_state_dict("resmaskingnet", {"net": file}, **options), variables)
    for left_out in (".conv1.downsample.", ".downsample1."):
        part = {key: value for key, value in file.items() if left_out not in key}
        assert_same(import_state_dict("resmaskingnet", part, **options), variables)


def test_a_face_recognition_trunk_with_units_in_one_list_is_read(caplog):
    caplog.set_level("INFO")
    variables = drawn("ir50", 112)
    file = export_state_dict("ir50", variables)
    starts = {"body1": 0, "body2": 3, "body3": 7}

    def other(key):
        stage, *rest = key.split(".")
        return ".".join(["body", str(starts[stage] + int(rest[0])), *rest[1:]]) if stage in starts else key

    renamed = {other(key): value for key, value in file.items()}
    renamed["body.21.res_layer.1.weight"] = np.zeros((512, 256, 3, 3), np.float32)
    assert_same(import_state_dict("ir50", renamed), variables)
    assert "left out, for the network does not use them" in caplog.text


@pytest.mark.parametrize(
    ("name", "options", "size", "message"),
    [
        (
            "poster_v2",
            {"resized": 100},
            224,
            "model.resized is 100; poster_v2's windows and positions",
        ),
        ("poster_v2", {"embedding": 100}, 224, "model.embedding is 100; poster_v2's 8 heads must divide it"),
        ("ddamfn", {"depth_multiplier": 0.0}, 32, "model.depth_multiplier is 0.0; it must be above 0"),
        ("ddamfn", {"depth_multiplier": 1.5}, 32, "model.depth_multiplier is 1.5; it must be above 0"),
        ("ir50", {"depth": 20}, 112, "model.depth is 20; it takes 18, 34, 50"),
        ("resmaskingnet", {}, 48, r"48×48 does not take: set data\.image_size to a multiple of 32"),
    ],
)
def test_what_cannot_be_is_refused(name, options, size, message):
    model = models.create(name, **options)
    with pytest.raises(UserError, match=message):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("dan", 64, {}),
        ("ddamfn", 32, {}),
        ("ddamfn", 32, {"depth_multiplier": 0.1}),
        ("mobilefacenet", 32, {}),
        ("ir50", 32, {"depth": 18, "resized": 32}),
        ("poster_v2", 48, {**SMALL_POSTER, "train_landmarks": True}),
        ("resmaskingnet", 64, {"width": 8}),
    ],
)
def test_numbers_gradients_and_own_losses_are_pytorchs(name, size, options):
    groups = compare(
        name, precisions=("float64",), training=True, steps=0, batch=4, image_size=size, options=options
    )
    assert {group.what: (group.parting, group.worst) for group in groups if group.parting} == {}
    assert {"gradients", "loss", "running statistics", "logits, evaluation"} <= {
        group.what for group in groups
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["poster_v2"])
def test_no_gradient_reaches_the_landmark_network_and_its_statistics_move(name):
    model = models.create(name, **SMALL_POSTER)
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = jax.jit(model.init)(jax.random.key(1), images)

    def loss(params):
        rngs = {"dropout": jax.random.key(2)}
        wanted = {**variables, "params": params}
        logits, updates = model.apply(wanted, images, train=True, mutable=["batch_stats"], rngs=rngs)
        return jnp.square(logits).sum(), updates["batch_stats"]

    gradients, moved = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradients["face_landback"]))
    assert gradients["ir_back"]["input_conv"]["kernel"].any()
    before = variables["batch_stats"]["face_landback"]["conv1"]["bn"]["mean"]
    assert (moved["face_landback"]["conv1"]["bn"]["mean"] != before).any()
