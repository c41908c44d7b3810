"""Functions that are translated to ONNX give in onnxruntime what they give in JAX."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime

from ferjax.deploy.to_onnx.convert import Unsupported, to_onnx
from ferjax.layers import conv, depthwise, pooling, spatial_transformer

SHAPE = (9, 12, 3)
RNG = np.random.default_rng(0)


def drawn(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def translated(function):
    """The model, whose answers are JAX's for any batch."""
    model = to_onnx(lambda images: [function(images.astype(jnp.float32) / 64 - 2)], SHAPE, ["result"])
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = RNG.integers(0, 256, (3, *SHAPE), np.uint8)
    wanted = jax.jit(function)(jnp.asarray(images, jnp.float32) / 64 - 2)
    for batch in (3, 1):
        (found,) = session.run(None, {"images": images[:batch]})
        np.testing.assert_allclose(found, wanted[:batch], rtol=1e-5, atol=1e-5)
    return model


def operations(model):
    return [node.op_type for node in model.graph.node if node.op_type != "Identity"]


KERNEL, DEPTHWISE, DENSE = drawn(3, 3, 3, 5), drawn(3, 3, 1, 3), drawn(3, 4)
PADS = ((0, 0), (1, 2), (0, 1), (0, 0))
PLACES = np.array([0, 2, 3, 7])


def batch_norm_after_conv(x):
    y = conv.conv2d(x, KERNEL, 1, 1)
    y = (y - np.arange(5, dtype=np.float32)) * lax.rsqrt(jnp.full(5, 2.0) + 1e-5) + 0.5
    return jax.nn.relu(y)


def transformed(x):
    theta = jnp.stack([jnp.tanh(x.mean((1, 2))), 0.3 + x[:, 1, 2]], axis=1)
    return spatial_transformer.affine_sample(x, theta, (5, 7))


def attention(x):
    tokens = x.reshape(x.shape[0], -1, 2, 6)
    weights = jax.nn.softmax(jnp.einsum("bqhc,bkhc->bhqk", tokens, tokens), axis=-1)
    return jnp.einsum("bhqk,bkhc->bqhc", weights, tokens)


def squeezed(x):
    """Squeeze and excitation: what is broadcast lies in another order than the feature maps."""
    y = conv.conv2d(x, KERNEL)
    return y * jax.nn.sigmoid(y.mean((1, 2)) @ drawn_square)[:, None, None, :]


drawn_square = drawn(5, 5)
FUNCTIONS = {
    "convolution": partial(conv.conv2d, kernel=KERNEL, stride=2, padding=(2, 1)),
    "a step that leaves a column out": partial(conv.conv2d, kernel=KERNEL[:1, :1], stride=2),
    "a kernel wider than the image": lambda x: conv.conv2d(x[:, :1, :1], KERNEL, 1, 1),
    "batch normalisation": batch_norm_after_conv,
    "depthwise": partial(depthwise.depthwise_conv2d, kernel=DEPTHWISE, stride=2, pads=((0, 1), (1, 1))),
    "max pooling": pooling.max_pool_2x2,
    "max pooling, overlapping": pooling.max_pool_3x3,
    "mean pooling": pooling.average_pool_2x2,
    "sum of windows": lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2, 3, 1), (1, 1, 2, 1), "SAME"),
    "squeeze and excitation": squeezed,
    "convolution of reversed columns": lambda x: conv.conv2d(x[:, :, ::-1], KERNEL) + conv.conv2d(x, KERNEL),
    "dense on pixels": lambda x: x @ DENSE,
    "dense after a convolution": lambda x: conv.conv2d(x, KERNEL) @ drawn_square,
    "attention": attention,
    "axes contracted in the middle": lambda x: jnp.einsum("bhwc,hk->bkwc", x, DENSE.repeat(3, 0)),
    "layer normalisation": partial(jax.nn.standardize, axis=-1, epsilon=1.0),
    "gelu": partial(jax.nn.gelu, approximate=False),
    "log of a sum": lambda x: jax.nn.logsumexp(x, axis=(1, 3)),
    "log softmax": lambda x: jax.nn.log_softmax(x.reshape(x.shape[0], -1)),
    "leaky": lambda x: jnp.where(x > 0, x, 0.2 * x),
    "choices": lambda x: jnp.where((x > 0) & ~(x >= 1) | (x != x), jnp.clip(x, -1, 0.5), -x) ** 3,
    "joined": lambda x: jnp.concatenate([x, conv.conv2d(x, KERNEL, 1, 1)], axis=-1),
    "stacked": lambda x: jnp.stack([x, 2 * x], axis=1).transpose(0, 3, 1, 4, 2),
    "rows and columns": lambda x: x[:, PLACES[:, None], PLACES[None, :]] + x[:, ::2, ::3][:, :4, :4],
    "one pixel": lambda x: x[:, 3, 4],
    "crops as more of a batch": lambda x: jnp.concatenate([x[:, :4], x[:, 2:6]]).reshape(2, -1, 4, 12, 3)[1],
    "padding and cropping": lambda x: lax.pad(x, 1.5, ((0, 0, 0), (2, -1, 0), (-3, 4, 0), (0, 0, 0))),
    "spatial transformer": transformed,
    "shift of integers": lambda x: ((x * 100).astype(jnp.int32) >> 3).astype(jnp.float32),
    "a constant beside the batch": lambda x: jnp.concatenate(
        [jnp.broadcast_to(jnp.arange(3.0), (x.shape[0], 1, 3)), x[:, 0]], axis=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_computes_what_jax_computes(name):
    translated(FUNCTIONS[name])


def test_normalisation_goes_into_the_weights():
    assert operations(translated(batch_norm_after_conv))[-3:] == ["Conv", "Relu", "Transpose"]


def test_feature_maps_are_transposed_once():
    def three(x):
        for _ in range(3):
            x = jax.nn.relu(conv.conv2d(x, KERNEL[..., :3], 1, 1)) + x
        return x.mean((1, 2))

    assert operations(translated(three)).count("Transpose") == 1


def test_padding_and_pooling_are_one_node():
    padded = lambda x: pooling.max_pool_3x3(x, 1)  # noqa: E731
    assert operations(translated(padded)).count("MaxPool") == 1
    moved = translated(lambda x: conv.conv2d(jnp.pad(2 * pooling.max_pool_3x3(x), PADS), KERNEL))
    assert "Pad" not in operations(moved)


def test_a_sum_that_is_read_twice_is_kept():
    def twice(x):
        y = conv.conv2d(x, KERNEL)
        return (y + 1) * y

    translated(twice)


def test_equal_weights_are_stored_once():
    kernel = drawn(3, 3, 3, 64)
    model = translated(lambda x: conv.conv2d(x, kernel) + conv.conv2d(x[:, ::-1], kernel))
    assert sum(len(one.dims) == 4 for one in model.graph.initializer) == 1


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: jnp.sort(x, axis=1), "the operation sort"),
        (lambda x: lax.cumsum(x, axis=1), "the operation cumsum"),
    ],
)
def test_what_is_not_translated_is_told(function, what):
    with pytest.raises(Unsupported, match=what):
        to_onnx(lambda images: [function(images.astype(jnp.float32))], SHAPE, ["result"])
