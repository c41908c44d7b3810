"""Joins the processes of one run, and leaves together with them."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

from ferjax.cluster.consistency import agree
from ferjax.cluster.coordinator import CoordinatorStore, coordinator_address, position, reach
from ferjax.cluster.liveness import Limits
from ferjax.cluster.watchdog import exit_code, leave, watching
from ferjax.errors import UserError
from ferjax.platform import console


@contextlib.contextmanager
def processes(
    automatic: bool = False,
    coordinator: str = "",
    count: int = 0,
    index: int = -1,
    timeout: float = 300,
    facts: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> Iterator[None]:
    """Joins the processes of one run, and ends together with them; does nothing for a single process.

    Must be entered before any device is touched. Inside, a watchdog ends all processes when one is lost.

    Args:
        automatic: let JAX find out from SLURM, Kubernetes, Open MPI or Cloud TPU.
        coordinator: `host:port` of process 0, where JAX cannot find it out.
        count: number of processes.
        index: this process's number.
        timeout: seconds to wait for the others.
        facts: what must be the same in all processes, see `ferjax.cluster.consistency`.
        limits: when the watchdog gives up; its defaults if None.

    Raises:
        UserError: the others cannot be reached or run something else, or one of coordinator, count and index
            is missing.
    """
    explicit = bool(coordinator) or count > 0 or index >= 0
    if explicit and not (coordinator and count > 0 and index >= 0):
        raise UserError("several processes need all of --coordinator, --processes and --process")
    if not (automatic or explicit):
        yield
        return
    end = time.monotonic() + timeout
    try:
        if explicit:
            reach(coordinator, listens=index == 0, timeout=timeout)
            left = max(int(end - time.monotonic()), 1)
            jax.distributed.initialize(coordinator, count, index, initialization_timeout=left)
        else:
            jax.distributed.initialize(initialization_timeout=int(timeout))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        where = coordinator or coordinator_address()
        raise UserError(f"could not join the other processes (coordinator {where}): {reason}") from error
    (index, count), where = position(), coordinator_address()
    store = CoordinatorStore()
    try:
        agree(store, index, count, facts or {}, where, max(end - time.monotonic(), 1))
        first = contextlib.nullcontext() if index == 0 else console.only_warnings()
        with first, watching(store, index, count, where, limits or Limits()):
            yield
            # Leaving early would make the others' last collective fail.
            multihost_utils.sync_global_devices("end of run")
    except BaseException as error:
        leave(exit_code(error), last=index == 0)
        raise
    jax.distributed.shutdown()
