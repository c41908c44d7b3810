"""The table of attribution methods: `method(model, variables, images, classes, **options) -> [B, H, W]`.

All are pure and can be jitted; an image's map does not depend on the rest of the batch.

Example:
    >>> from functools import partial
    >>> import jax
    >>> from ferjax.augment import normalise
    >>> from ferjax.explain.methods import METHODS
    >>> from ferjax.inference import pictures
    >>> from ferjax.inference.classifier import Classifier
    >>> from ferjax.inference.open_run import open_network
    >>> network = open_network("runs/mine")
    >>> faces = Classifier.of(network).preprocess([pictures.read("face.png")])
    >>> explain = jax.jit(partial(METHODS["grad_cam"], network.model))
    >>> classes = jax.numpy.array([network.label_names.index("happy")])
    >>> heat = explain(network.variables, normalise(jax.numpy.asarray(faces)), classes)
    >>> heat.shape  # one map for one face of 16×16
    (1, 16, 16)
"""

from collections.abc import Callable, Sequence

from jaxtyping import Array

from ferjax.errors import UserError, nearest
from ferjax.explain.attention_rollout import attention_rollout
from ferjax.explain.class_activation_map import class_activation_map
from ferjax.explain.grad_cam import grad_cam, grad_cam_plus_plus, hires_cam
from ferjax.explain.integrated_gradients import integrated_gradients
from ferjax.explain.occlusion import occlusion
from ferjax.explain.saliency import saliency
from ferjax.explain.smoothgrad import smoothgrad

METHODS: dict[str, Callable[..., Array]] = {
    "hires_cam": hires_cam,
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "cam": class_activation_map,
    "attention_rollout": attention_rollout,
    "occlusion": occlusion,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "saliency": saliency,
}
# Methods whose maps are negative where the image speaks against the class; the other maps are at least 0.
SIGNED = frozenset({"cam", "integrated_gradients", "occlusion"})
# Methods with the option `layer`.
LAYERED = frozenset({"grad_cam", "grad_cam_plus_plus", "hires_cam"})


def check_methods(names: Sequence[str], valid: Sequence[str]) -> tuple[str, ...]:
    """Returns the names without repetitions.

    Raises:
        UserError: a name is not among `valid`; the nearest are listed.
    """
    for name in names:
        if name not in valid:
            raise UserError(f"unknown method {name!r}; the nearest are {nearest(name, valid)}")
    return tuple(dict.fromkeys(names))
