"""What saving costs: steps with a checkpoint being written beside them, and the time from SIGTERM to the end.

    python -m benchmarks.saving [--network resemotenet] [--batch 16] [--saves 4] [--stops 3] [--json FILE]

A save first copies the state while the loop waits, then a thread writes the copy while training goes on. Both
are lost time where the thread takes cores from the steps; a disk or an accelerator of its own hides the
second. The share of all time is told for one save an epoch of the default recipe. For the end by SIGTERM the
command itself is started, with the default recipe at this batch size, and stopped in the middle of its steps.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks import command_line, measure
from ferjax.cluster.mesh import global_batch
from ferjax.config import defaults
from ferjax.cost_model.step_for_devices import assembled, stand_in
from ferjax.runs.checkpoints import Checkpoints

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint")
CLASSES, SIZE = 7, 64
EPOCH = 4200  # images of toons/avataaars, between two validations, each with a save
QUIET_STEPS = 8  # before each save
STOP_AFTER = 4  # steps of the command


def saves(network: str, batch_size: int, count: int) -> dict:
    """Seconds of steps alone, of starting a save, and of the steps until it is on the disk."""
    config = defaults()
    config.model.name, config.data.image_size, config.train.batch_size = network, SIZE, batch_size
    parts, mesh = assembled(config, jax.devices()[:1], CLASSES)
    batch = global_batch(stand_in(config, CLASSES, batch_size).take(np.arange(batch_size)), mesh)
    found: dict[str, list[float]] = {"quiet": [], "starting": [], "beside": [], "writing": [], "extra": []}
    state, number = parts.init(np.uint32(0)), 0

    def step() -> float:
        nonlocal state, number
        began = time.perf_counter()
        state, _ = parts.train_steps[-1](state, batch)
        jax.block_until_ready(state)
        number += 1
        return time.perf_counter() - began

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), config.model.name, keep=1)
        for turn in range(count + 1):  # the first turn compiles and warms up
            quiet = [step() for _ in range(QUIET_STEPS)]
            began = time.perf_counter()
            checkpoints.save(state, number, {"best_step": number})
            starting = time.perf_counter() - began
            writer = threading.Thread(target=checkpoints.wait)
            writer.start()
            beside = []
            while writer.is_alive():
                beside.append(step())
            writing = time.perf_counter() - began - starting
            if turn:
                usual = statistics.median(quiet)
                found["quiet"] += quiet
                found["starting"].append(starting)
                found["beside"] += beside
                found["writing"].append(writing)
                found["extra"].append(starting + sum(beside) - usual * len(beside))
        checkpoints.close()
    usual, extra = statistics.median(found["quiet"]), statistics.median(found["extra"])
    return {
        "what": f"steps beside a save, {network}, batch {batch_size}",
        "state_bytes": sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(parts.like)),
        "quiet_step": measure.summary(found["quiet"]),
        "starting_a_save": measure.summary(found["starting"]),
        "step_beside_a_save": measure.summary(found["beside"]),
        "until_on_disk": measure.summary(found["writing"]),
        "lost_a_save": measure.summary(found["extra"]),
        "step_beside_over_quiet": statistics.median(found["beside"]) / usual,
        "lost_share_at_one_save_an_epoch": extra / (extra + usual * EPOCH / batch_size),
    }


def stop(batch_size: int, workdir: Path) -> float:
    """Seconds from SIGTERM, some steps into the default command, to its end with all saved."""
    command = [
        sys.executable, "-m", "ferjax.main", "--config=configs/resemotenet.py", f"--workdir={workdir}",
        f"--config.train.batch_size={batch_size}", "--config.train.log_every=1", "--noreport",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        told = 0
        for line in process.stdout:
            told += line.lstrip().startswith("step")
            if told == STOP_AFTER:
                break
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        code = process.wait()
        seconds = time.perf_counter() - began
    saved = [path for path in (workdir / "checkpoints").glob("*") if path.name.isdigit()]
    if code != 128 + signal.SIGTERM or not saved:
        raise SystemExit(f"the run did not stop as it should (exit code {code}):\n{rest}")
    return seconds


def main() -> None:
    """Measures, prints and records."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--network", default="resemotenet")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--saves", type=int, default=4)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/saving.json")
    args = parser.parse_args()
    rows = [saves(args.network, args.batch, args.saves)]
    row = rows[0]
    print(
        f"{row['what']}, a state of {row['state_bytes'] / 1e6:.0f} MB\n"
        f"  step {1e3 * row['quiet_step']['median']:.0f} ms alone, "
        f"{1e3 * row['step_beside_a_save']['median']:.0f} ms beside a save "
        f"({row['step_beside_over_quiet']:.2f}×)\n"
        f"  starting a save {1e3 * row['starting_a_save']['median']:.0f} ms, on the disk after "
        f"{row['until_on_disk']['median']:.1f} s, lost in all {row['lost_a_save']['median']:.2f} s\n"
        f"  {100 * row['lost_share_at_one_save_an_epoch']:.2f} % of the time at one save an epoch of "
        f"{EPOCH:,} images",
        flush=True,
    )
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.stops):
            seconds.append(stop(args.batch, Path(folder) / str(number)))
            print(f"from SIGTERM to the end: {seconds[-1]:.2f} s", flush=True)
    if seconds:
        what = f"from SIGTERM to the end, default recipe, batch {args.batch}"
        rows.append({"what": what, "seconds": measure.summary(seconds)})
    measure.record("saving", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
