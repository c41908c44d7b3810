"""`python -m ferjax.main --config=configs/resemotenet.py`: train, go on where a run stopped, test once."""

import sys
from functools import partial

from absl import flags

from ferjax.commands import framework
from ferjax.files import file_name
from ferjax.registry import verb

CONFIG = framework.config_flag()
WORKDIR = framework.path_flag("workdir", "", "The run's folder; runs/MODEL-DATASET if empty.")
REPORT = flags.DEFINE_bool("report", True, "Write report/index.html at the end.")
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Join the processes that the cluster tells of.")
COORDINATOR = flags.DEFINE_string("coordinator", "", "host:port of process 0, without a cluster's help.")
PROCESSES = flags.DEFINE_integer("processes", 0, "Number of processes, with --coordinator.")
PROCESS = flags.DEFINE_integer("process", -1, "This process's number, with --coordinator.")
JOIN_LIMIT = flags.DEFINE_float("join_limit", 300, "Seconds to wait for all processes at the start.", 1)
SILENCE_LIMIT = flags.DEFINE_float(
    "silence_limit", 30, "Seconds without a sign of life from a process until all others end.", 1
)
PROGRESS_LIMIT = flags.DEFINE_float(
    "progress_limit", 1800, "Seconds without a finished step in any process until all end.", 1
)
TRACKING = flags.DEFINE_list("tracking", [], "Where metrics go, too: mlflow, wandb, or both with a comma.")
flags.mark_flag_as_required("config")


@verb("training", "train a network, resume it, and test it once at the end")
def main(argv: list[str]) -> int:
    """Trains and prints the test's table; 128 + signal if a signal stopped it."""
    # Not at the top: the worker processes of `data.workers` import this file, and must stay small.
    import jax

    from ferjax.cluster.consistency import facts
    from ferjax.cluster.join import processes
    from ferjax.cluster.liveness import Limits
    from ferjax.config import is_pretraining, validate
    from ferjax.platform.machine import keep_compiled
    from ferjax.report.tables import losses_line, text_table
    from ferjax.storage import mirrors
    from ferjax.tracking import trackers
    from ferjax.training.loop import Stopped, train_and_evaluate

    framework.no_arguments(argv)
    trackers.check(TRACKING.value)
    keep_compiled()
    config = CONFIG.value
    validate(config)  # before it is compared with other processes'
    workdir = WORKDIR.value or f"runs/{file_name(config.model.name, config.data.name)}"
    with processes(
        DISTRIBUTED.value,
        COORDINATOR.value,
        PROCESSES.value,
        PROCESS.value,
        timeout=JOIN_LIMIT.value,
        facts=facts(config, mirrors.shown(workdir)),
        limits=Limits(SILENCE_LIMIT.value, PROGRESS_LIMIT.value),
    ):
        try:
            result = train_and_evaluate(
                config, workdir, trackers=partial(trackers.open_writers, TRACKING.value)
            )
        except Stopped as stopped:
            print(f"{stopped}, which is saved; the same command goes on from there", file=sys.stderr)
            return 128 + stopped.signal
        if jax.process_index() == 0:
            print(losses_line(result) if is_pretraining(config) else text_table(result["test"]))
            if REPORT.value:
                from ferjax.report.page import write_page  # matplotlib: not needed to train

                print(f"report: {write_page(workdir)}")
    return 0
