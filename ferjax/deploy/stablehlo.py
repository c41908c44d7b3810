"""Exports a trained network as one StableHLO program from uint8 pictures to calibrated probabilities.

A network with a head for valence and arousal gives a pair: the probabilities, and these two.

`jax.export` writes it for any batch size and for CPU, CUDA and TPU at once; weights, normalisation and
temperature are inside. Versions of jax of at least the next six months read it, without ferjax:
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

from ferjax.deploy.any_batch import for_any_batch
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.inference import trained
from ferjax.inference.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")


def export(network: Trained) -> bytes:
    """Writes the program from uint8 `[batch, S, S, 3]`, S = `network.input_size`, to float32 `[batch, K]`.

    With a head for valence and arousal its result is a pair, the second of float32 `[batch, 2]`.

    For a CPU it holds ferjax's own convolutions, for other platforms XLA's; each platform compiles only its
    part.

    Raises:
        UserError: the network cannot take any number of images.
    """
    step, size = trained.answer_step(network), network.input_size
    variables = jax.device_put(network.variables)

    @jax.jit
    def program(images: Array) -> Array | tuple[Array, Array]:
        logs, values = step(variables, images)
        return jnp.exp(logs) if values is None else (jnp.exp(logs), values)

    (batch,) = jax_export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.uint8)
    with for_any_batch(network.config.model.name), _without_sources():
        return bytes(jax_export.export(program, platforms=PLATFORMS)(images).serialize())


@contextlib.contextmanager
def _without_sources() -> Iterator[None]:
    """Keeps source lines, and with them this machine's paths, out of the programs that are traced inside."""
    # jax defines its settings when it runs, so the type checker does not know them.
    before = jax.config.jax_traceback_in_locations_limit  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def load(path: Path | str) -> Callable[[np.ndarray], Array | tuple[Array, Array]]:
    """Reads a program that `export` wrote; it is compiled at the first call with each batch size.

    Args:
        path: the file. Load only files that you trust: a program may call functions of the runtime.

    Raises:
        UserError: there is no such file, or it is not such a program.
    """
    path = user_path(path)
    try:
        exported = jax_export.deserialize(bytearray(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # on damaged files the reader of the format raises anything
        raise UserError(f"{path} is no program that ferjax exported, or damaged; export it again") from error
    return jax.jit(exported.call)
