"""Refuses weights whose every answer would be NaN."""

from collections.abc import Mapping

import numpy as np

from ferjax.errors import UserError, listed

_SHOWN, _LONGEST = 3, 60


def check_finite(arrays: Mapping[str, np.ndarray], where: object) -> None:
    """Checks that every number is one.

    Args:
        arrays: names to arrays.
        where: what holds them, for the message.

    Raises:
        UserError: an array holds NaN or infinity.
    """
    if bad := [name[:_LONGEST] for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise UserError(
            f"{where}: {len(bad)} of {len(arrays)} arrays hold NaN or infinity ({listed(bad, _SHOWN)}), for "
            "the training that made them failed; take an earlier checkpoint of it"
        )
