"""Interleaved timing and the record that every benchmark writes."""

import datetime
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax

from ferjax.platform.machine import describe_machine
from ferjax.report.wording import count_of

Run = Callable[[], object]

# A turn of calls that take milliseconds is several of them, for about so many seconds, but so many at most:
# one alone, after the others' turns, would measure how soon threads and caches come back.
TURN_SECONDS, TURN_CALLS = 0.1, 100


def interleaved(
    runs: dict[str, Run], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of a call of each run, taken in turns so that a slow minute of the machine hits all alike.

    Args:
        runs: name → a call that does the work once and returns when it is done.
        rounds: timed turns of each. Before each one untimed call brings the run's threads, caches and clocks
            back from the others', and tells how many calls the turn has.
        clock: what tells the seconds.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            taken = max(clock() - start, TURN_SECONDS / TURN_CALLS)
            calls = max(1, math.ceil(TURN_SECONDS / taken))
            start = clock()
            for _ in range(calls):
                run()
            seconds[name].append((clock() - start) / calls)
    return seconds


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, fastest and slowest, in seconds."""
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


def device() -> str:
    """The accelerator's kind, or the CPU's name and the number of cores this process may use."""
    first = jax.devices()[0]
    if first.platform != "cpu":
        return f"{len(jax.devices())} × {first.device_kind}"
    machine = describe_machine()
    return f"{machine['processor']}, {count_of(machine['cores'], 'core')}"


def path(name: str, network: str) -> str:
    """Where a network's figures are kept: `…/NAME.json` for ResEmoteNet, `…/NAME_NETWORK.json` for others."""
    suffix = "" if network == "resemotenet" else f"_{network}"
    return f"benchmarks/results/{name}{suffix}.json"


def header(name: str, packages: tuple[str, ...]) -> dict[str, object]:
    """`benchmark`, `device`, `devices`, `platform`, `python`, `versions` and `date`, JSON-ready."""
    return {
        "benchmark": name,
        "device": device(),
        "devices": jax.device_count(),
        "platform": jax.default_backend(),
        "python": platform.python_version(),
        "versions": {package: metadata.version(package) for package in packages},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def record(name: str, rows: list[dict], packages: tuple[str, ...], file: str) -> None:
    """Writes `header` and `rows` as JSON to `file`."""
    write({**header(name, packages), "rows": rows}, file)


def write(content: dict, file: str) -> None:
    """Writes JSON to `file`, and says so."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {file}")


def table(title: str, images: int, seconds: dict[str, list[float]]) -> list[dict]:
    """Prints a run a line with its ratio to the first, and returns the rows for `record`.

    Args:
        title: what was measured.
        images: images that one call works on.
        seconds: of each run, as `interleaved` gives them; `speed-up` is the run's median over the first's.
    """
    base = statistics.median(next(iter(seconds.values())))
    print(f"\n{title}\n{'':32s} {'median ms':>10s} {'min':>9s} {'max':>9s} {'images/s':>9s} {'speed-up':>9s}")
    rows = []
    for name, values in seconds.items():
        stats = summary(values)
        ratio = stats["median"] / base
        print(
            f"{name:32s} {stats['median'] * 1e3:10.1f} {stats['min'] * 1e3:9.1f} {stats['max'] * 1e3:9.1f} "
            f"{images / stats['median']:9.1f} {ratio:8.2f}×",
            flush=True,
        )
        rows.append({"what": title, "run": name, "seconds": stats, "images": images, "speed_up": ratio})
    return rows
