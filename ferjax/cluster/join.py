"""Joins the processes of one run, and leaves together with them."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

from ferjax.cluster.consistency import agree
from ferjax.cluster.coordinator import CoordinatorStore, coordinator_address, position
from ferjax.cluster.liveness import Limits
from ferjax.cluster.rendezvous import check_numbers, gather, parse_address
from ferjax.cluster.stopping import Stopping
from ferjax.cluster.watchdog import exit_code, leave, watching
from ferjax.errors import UserError
from ferjax.platform import console

_LONGEST = 10**6  # seconds of a limit
_CONNECT = 60  # seconds


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
        UserError: the others do not come, cannot be reached or run something else, one of coordinator,
            count and index is missing, or a number is impossible.
    """
    explicit = bool(coordinator) or count != 0 or index != -1
    if explicit and not (coordinator and count != 0 and index != -1):
        raise UserError("several processes need all of --coordinator, --processes and --process")
    if explicit:
        check_numbers(count, index)
        parse_address(coordinator)
    limits = limits or Limits()
    _check_seconds(join_limit=timeout, silence_limit=limits.silence, progress_limit=limits.progress)
    if not (automatic or explicit):
        yield
        return
    with Stopping(first=index == 0) as stopping:
        yield from _joined(
            stopping, (coordinator, count, index) if explicit else None, timeout, facts, limits
        )


def _check_seconds(**seconds: float) -> None:
    for name, value in seconds.items():
        if not 0 < value <= _LONGEST:
            raise UserError(f"--{name}={value} must be above 0 and at most {_LONGEST:,} seconds")


def _joined(
    stopping: Stopping,
    explicit: tuple[str, int, int] | None,
    timeout: float,
    facts: dict[str, Any] | None,
    limits: Limits,
) -> Iterator[None]:
    end = time.monotonic() + timeout
    # `Stopping` does its work: this service does not bear that several processes are signalled at once.
    jax.config.update("jax_enable_preemption_service", False)
    coordinator = explicit[0] if explicit else ""
    try:
        if explicit:
            gather(*explicit, timeout)
            # All are there, and only need time to connect.
            jax.distributed.initialize(*explicit, initialization_timeout=_CONNECT)
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
        with first, watching(store, index, count, where, limits) as watchdog:
            stopping.join(store, index, count, watchdog)
            yield
            # Leaving early would make the others' last collective fail.
            multihost_utils.sync_global_devices("end of run")
    except BaseException as error:
        leave(exit_code(error), last=index == 0)
        raise
    jax.distributed.shutdown()
