"""Values of a state dict as NumPy arrays of floating-point numbers."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from ferjax.errors import UserError, listed
from ferjax.interop.differences import short

_SHOWN = 2  # names in a message
_LONGEST = 90  # letters of a reason that another library gives


def floating_arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Converts values to NumPy arrays of at least float32.

    Args:
        values: names to arrays, or whatever `np.asarray` takes, such as tensors on the CPU.

    Raises:
        UserError: some are no arrays of floating-point numbers; names the first.
    """
    arrays, bad = {}, []
    for key, value in values.items():
        try:
            array = np.asarray(value)
        except (TypeError, RuntimeError) as error:  # bfloat16, another device, or gradients recorded
            bad.append(f"{short(key)} ({' '.join(str(error).split())[:_LONGEST]})")
            continue
        if jnp.issubdtype(array.dtype, jnp.floating):
            arrays[key] = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
        else:
            bad.append(f"{short(key)} (it is {array.dtype})")
    if bad:
        raise UserError(f"not arrays of floating-point numbers on the CPU: {listed(bad, _SHOWN)}")
    return arrays
