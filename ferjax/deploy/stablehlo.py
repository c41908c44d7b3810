"""A trained network as one StableHLO program: bytes of pictures in, calibrated probabilities out.

`jax.export` writes it for any batch and for CPU, CUDA and TPU at once; weights, normalisation and temperature
are inside. Any jax of the next six months or so reads it, without ferjax and without the network's code:
`jax.export.deserialize(bytearray(content)).call(images)`.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax import export as jax_export

from ferjax.errors import UserError
from ferjax.inference import trained
from ferjax.inference.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")


def export(network: Trained) -> bytes:
    """Writes the program from uint8 `[batch, S, S, 3]`, S = `network.input_size`, to float32 `[batch, K]`.

    On a CPU its convolutions are ferjax's own, on other platforms XLA's: each compiles only its part.
    """
    step, variables, size = trained.predict_step(network), network.variables, network.input_size
    program = jax.jit(lambda images: jnp.exp(step(variables, images)))
    (batch,) = jax_export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.uint8)
    with _without_sources():
        return bytes(jax_export.export(program, platforms=PLATFORMS)(images).serialize())


@contextlib.contextmanager
def _without_sources() -> Iterator[None]:
    """Programs that are traced inside do not tell which lines they come from, with this machine's paths."""
    before = jax.config.jax_traceback_in_locations_limit
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def load(path: Path | str) -> Callable[[np.ndarray], Array]:
    """Reads a program that `export` wrote; it is compiled for each batch size when first called with it.

    Args:
        path: the file. Only load what you trust: a program may name functions of the runtime.

    Raises:
        UserError: there is no such file, or it is none.
    """
    path = Path(path).expanduser()
    try:
        exported = jax_export.deserialize(bytearray(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # the reader of the format raises whatever it stumbles over
        raise UserError(f"{path} is no program that ferjax exported, or damaged; export it again") from error
    return jax.jit(exported.call)
