"""Says why a network of a user's own cannot be traced for batches of any size."""

import contextlib
from collections.abc import Iterator

import jax

from ferjax.errors import UserError


@contextlib.contextmanager
def for_any_batch(network: str) -> Iterator[None]:
    """Explains the errors of what is traced inside, where a symbol stands for the number of images.

    Args:
        network: its name, for the message.

    Raises:
        UserError: the network computes with the number of images as with a number of Python's.
    """
    try:
        yield
    except (TypeError, jax.errors.InconclusiveDimensionOperation) as error:
        if isinstance(error, TypeError) and "_DimExpr" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{network} cannot be exported for batches of any size: it needs to know how many images there "
            f"are ({reason}); take images.shape[0] instead of len(images), and no loop or comparison over it"
        ) from error
