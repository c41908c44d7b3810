"""The table of attribution methods: `method(model, variables, images, classes, **options) -> [B, H, W]`.

All are pure, can be jitted (`jax.jit(partial(method, model))`), and tell of an image the same whatever else
is in the batch.
"""

from collections.abc import Callable, Sequence

from jax import Array

from ferjax.errors import UserError, nearest
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
    "occlusion": occlusion,
    "integrated_gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "saliency": saliency,
}
# Whose maps are negative where the image speaks against the class; the others' are at least 0.
SIGNED = frozenset({"cam", "integrated_gradients", "occlusion"})
# Who take `layer=`.
LAYERED = frozenset({"grad_cam", "grad_cam_plus_plus", "hires_cam"})


def check_methods(names: Sequence[str], valid: Sequence[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        UserError: one is not among `valid`; the nearest are told.
    """
    for name in names:
        if name not in valid:
            raise UserError(f"unknown method {name!r}; the nearest are {nearest(name, valid)}")
    return tuple(dict.fromkeys(names))
