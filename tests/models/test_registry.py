"""Properties of every registered network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import drawn_variables

from ferjax import models
from ferjax.errors import UserError
from ferjax.registry import NETWORKS

FACENET = 23_482_624  # with the embedding, as facenet-pytorch counts
FACE_FEATURES = FACENET - 1792 * 512 - 2 * 512
# Of FaceNet2ExpNet: five 3×3 convolutions with normalisation, and a 1×1 convolution.
EXPRESSION_NET = (
    sum(9 * a * b + 2 * b for a, b in ((3, 64), (64, 128), (128, 256), (256, 512), (512, 512))) + 513 * 1792
)
# Channels of the separable convolutions of face_expression_net, with biases: sixteen less the full first one.
SEPARABLE = [
    *(3 * [(32, 32)]),
    *(pair for a, b in ((32, 64), (64, 128), (128, 256)) for pair in ((a, b), *(3 * [(b, b)]))),
]


def xception(stem: tuple[int, int], modules: tuple[int, ...]) -> int:
    """Parameters by the paper's figure: 3×3 convolutions of grey images, modules, maps of seven classes."""
    first, before = stem
    count = 9 * (first + first * before) + 2 * (first + before)
    for after in modules:
        count += before * after + 9 * before + before * after + 9 * after + after**2 + 3 * 2 * after
        before = after
    return count + 7 * (9 * before + 1)


# Parameters with seven classes, counted by others: the papers, or the PyTorch counterpart.
# ResNet and VGG: torchvision's published counts with another classifier; SE-ResNet: 2·C²/16 more a block.
PARAMETERS = {
    "big_xception": xception((32, 64), (128, 256)),
    "face_expression_net": 9 * 3 * 32 + 32 + sum(9 * a + a * b + b for a, b in SEPARABLE) + 7 * 257,
    "mini_xception": xception((8, 8), (16, 32, 64, 128)),
    "attentional_cnn": 66_877,  # at 48×48; test_transformer_networks.py counts it layer by layer
    "fer_cnn": 1_440_327,  # likewise
    "facenet": FACENET + 7 * 513,
    "facenet2expnet": FACE_FEATURES + EXPRESSION_NET + 256 * 1793 + 7 * 257,
    "ran": 11_689_512 - 1000 * 513 + 3 * 512 + 7 * 1025,
    "ran_facenet2expnet": FACE_FEATURES + EXPRESSION_NET + 3 * 1792 + 256 * 3585 + 7 * 257,
    "resemotenet": 80_238_599,
    "sdl": 2_223_563,  # likewise
    "resnet18": 11_689_512 - 993 * 513,
    "resnet34": 21_797_672 - 993 * 513,
    "resnet50": 25_557_032 - 993 * 2049,
    "se_resnet18": 11_267_143,
    "se_resnet34": 21_797_672 - 993 * 513 + 157_184,
    "se_resnet50": 25_557_032 - 993 * 2049 + 2_514_944,
    # Counted by hand: 3×3 convolutions, their 1×1 shortcuts, scales and biases, the classifier.
    "small_resnet": 9 * (3 * 32 + 32 * 48 + 48**2 + 48 * 96 + 3 * 96**2 + 96 * 256 + 256**2)
    + (32 * 48 + 48 * 96 + 96 * 256)
    + 2 * (32 + 3 * 48 + 5 * 96 + 3 * 256)
    + 7 * 257,
    # As timm counts them, and EmoNeXt's authors.
    "convnext_tiny": 27_825_511,
    "efficientnet_b0": 4_016_515,
    "efficientnet_b2": 7_710_857,
    "emonext_tiny": 30_564_331,
    "vit_b16": 85_804_039,
    "vit_s16": 21_668_359,
    # 64 patches of 6×6 and a class token, nine blocks of 12·192² weights and 13·192 others, norm, classifier.
    "vit_tiny48": 108 * 192 + 192 + 66 * 192 + 9 * (12 * 192**2 + 13 * 192) + 2 * 192 + 7 * 193,
    # Counted from the authors' layers, as far as they feed the output; DAN's with the centres of its loss.
    "dan": 19_723_733 + 7 * 512,
    "ddamfn": 4_105_999,
    "ir50": 1_920 + 222_144 + 1_116_800 + 16_271_104 + 7 * 257,
    "mobilefacenet": 911_232 + 26_112 + 7 * 514,
    "poster_v2": 43_753_941,
    "resmaskingnet": 137_796_423,
    "vgg16": 138_357_544 - 993 * 4097,
    "vgg16_bn": 138_365_992 - 993 * 4097,
    "vgg19": 143_667_240 - 993 * 4097,
    "vgg19_bn": 143_678_248 - 993 * 4097,
}
# Options that make a network affordable where its numbers are computed.
SMALL = {name: {"hidden": 16} for name in PARAMETERS if name.startswith("vgg")}
SMALL |= {name: {"depth": 2} for name in PARAMETERS if name.startswith("vit")}
SMALL |= {name: {"depth": 0.5} for name in PARAMETERS if name.startswith("efficientnet")}
SMALL |= {
    "ir50": {"depth": 18, "resized": 32},
    "poster_v2": {"depth": 18, "embedding": 64, "resized": 32},
    "resmaskingnet": {"width": 16},
}
# Modules that only an auxiliary loss uses, which these tests do not collect, or that are not trained.
IDLE = ("face_net", "attention", "face_landback")


def facts(name: str):
    return NETWORKS.find(name).facts


def variables_of(name: str, size: int, **options) -> tuple[object, dict]:
    model = models.create(name, **options)
    images = jnp.zeros((1, size, size, 3))
    return model, jax.eval_shape(lambda: model.init(jax.random.key(0), images))


def trained(tree: dict) -> dict:
    return {module: leaves for module, leaves in tree.items() if module not in IDLE}


def at_least(name: str, size: int) -> int:
    """Returns a size of images that a network takes: the smallest, times a whole number."""
    smallest = facts(name).smallest
    return -(-size // smallest) * smallest


def test_every_network_is_pinned():
    assert set(PARAMETERS) == set(models.names())


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_parameter_count(name):
    _, variables = variables_of(name, facts(name).usual)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == PARAMETERS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_logits_have_the_asked_classes_at_any_batch(name):
    size = facts(name).usual
    model, variables = variables_of(name, size, num_classes=2)
    for batch in (1, 3):
        images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32)
        logits = jax.eval_shape(model.apply, variables, images)
        assert logits.shape == (batch, 2)
        assert logits.dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        # Their forward passes and gradients are PyTorch's in tests/interop/test_parity.py.
        pytest.param(name, marks=pytest.mark.relative) if name in ("sdl", "se_resnet18") else name
        for name in models.names()
    ],
)
def test_forward_gradient_jit_and_bfloat16(name, few_blocks):
    # Of the smallest images some leave nothing to normalise over.
    size, options = at_least(name, 16), SMALL.get(name, {})
    model = models.create(name, **options)
    images = jax.random.normal(jax.random.key(0), (4, size, size, 3))
    variables = drawn_variables(model, images)

    plain = jax.jit(model.apply)(variables, images)

    half = jax.jit(models.create(name, dtype=jnp.bfloat16, **options).apply)(variables, images)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        half.astype(jnp.float32), plain, atol=0.05 * max(1, float(jnp.abs(plain).max()))
    )

    def loss(params):
        logits, updates = model.apply(
            {**variables, "params": params},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return jnp.square(logits).mean(), updates

    # A localisation network ends in zero weights, a block in zero scales, which would hide what lies behind.
    moved = jax.tree.map(lambda leaf: leaf if leaf.any() else leaf + 0.01, variables["params"])
    gradients, updates = jax.jit(jax.grad(loss, has_aux=True))(moved)
    norms = {
        jax.tree_util.keystr(path): float(jnp.linalg.norm(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(trained(gradients))
    }
    assert all(np.isfinite(norm) for norm in norms.values())
    assert all(norm > 0 for name, norm in norms.items() if "kernel" in name)
    before, after = trained(variables.get("batch_stats", {})), trained(updates.get("batch_stats", {}))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), before, after)))


def test_unknown_name_and_option_name_the_nearest():
    with pytest.raises(UserError, match="resemotenet"):
        models.create("resemotnet")
    with pytest.raises(UserError, match="head_dropout"):
        models.create("resemotenet", head_dropuot=0.1)


def test_an_attribute_that_the_name_fixes_is_no_option():
    with pytest.raises(UserError, match=r"resnet18 has no option 'depth'; it has dtype, zero_init_residual$"):
        models.create("resnet18", depth=50)


@pytest.mark.parametrize("name", models.names())
def test_the_facts_are_true(name):
    """Images of the smallest size are taken, and none below it; the usual ones are no smaller."""
    smallest = facts(name).smallest
    assert facts(name).usual >= smallest
    variables_of(name, smallest)
    with pytest.raises(UserError, match=rf"^{name} takes .* at least {smallest}×{smallest}, not"):
        variables_of(name, smallest - 1)
    assert facts(name).source.endswith(")")  # the year


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 64, 64, 1), (64, 64, 3)])
def test_images_of_a_wrong_shape_are_refused(name, shape):
    with pytest.raises(UserError, match=rf"^{name} takes images \[B, H, W, 3\] of at least \d+×\d+, not \["):
        jax.eval_shape(models.create(name).init, jax.random.key(0), jnp.zeros(shape))
