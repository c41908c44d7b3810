"""A training split in the memory of every device: batches are indices, the step gathers their rows."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ferjax.cluster.mesh import replicated
from ferjax.data.copied_source import CopiedSource
from ferjax.data.memory_source import MEMORY_SHARE
from ferjax.data.sources import Source
from ferjax.errors import UserError
from ferjax.platform.memory import machine_memory


class DeviceSource(CopiedSource[Source]):
    """A copy of another source on every device: batches hold indices, whose rows the step gathers.

    Attributes:
        held: the whole split as `take` of the other source gives it: `image` uint8 `[N, H, W, C]` and `label`
            int32 `[N]` or float32 `[N, K]`, replicated on the mesh.
    """

    quick = True

    def __init__(self, source: Source, mesh: Mesh) -> None:
        """Copies the split to the devices; in a run of several processes each brings its own.

        Args:
            source: a decoded split.
            mesh: the devices.

        Raises:
            UserError: it does not fit.
        """
        super().__init__(source)
        room = memory_of_a_device()
        if self.nbytes > MEMORY_SHARE * room:
            raise UserError(
                f"{self.name} {self.split} takes {self.nbytes / 2**30:.1f} GiB on every device and one has "
                f"{room / 2**30:.1f}: use data.cache=memory or disk, or a smaller data.image_size"
            )
        everything = source.take(np.arange(len(source)))
        self.held = {
            name: jax.make_array_from_process_local_data(replicated(mesh), values)
            for name, values in everything.items()
        }

    @property
    def nbytes(self) -> int:
        """Bytes of the images on each device."""
        return len(self) * math.prod(self.image_shape)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._original[index]

    def take(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Returns `index`, int32 [N], for `ferjax.training.steps.gather`."""
        return {"index": self._checked(indices).astype(np.int32)}


def memory_of_a_device() -> int:
    """Returns the bytes of one device of this process; CPU devices share the machine's memory."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"]
    return machine_memory() // jax.local_device_count()
