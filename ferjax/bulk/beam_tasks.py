"""Carries out the tasks of a plan under Apache Beam (an optional extra), on this machine or a cluster."""

# Types are checked without Apache Beam:
# pyright: reportMissingImports=false

from collections.abc import Mapping, Sequence

from ferjax.bulk.work import Worker
from ferjax.errors import UserError
from ferjax.files import write_json_atomic
from ferjax.platform import process
from ferjax.platform.beam_pipeline import beam, configuration, quiet
from ferjax.platform.machine import keep_compiled


class _Tasks(beam.DoFn):
    """Carries out each task that comes; a process opens the network once, see `ferjax.bulk.work`."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def setup(self) -> None:
        process.prepare()
        keep_compiled()

    def process(self, task: int) -> None:
        try:
            self._worker(task)
        except UserError as error:  # a second try would end alike, and Beam would tell it with a traceback
            write_json_atomic(self._worker.plan.error(task), {"error": str(error)})


def run(worker: Worker, todo: Sequence[int], options: Mapping[str, str]) -> None:
    """Carries out tasks as one pipeline; each leaves its part and its outcome, or an error file.

    Args:
        worker: sent to the workers, which all see its plan's folder, the inputs and the network.
        todo: the tasks.
        options: see `ferjax.platform.beam_pipeline.configuration`.

    Raises:
        UserError: Beam knows no such option or runner.
    """
    runner, parsed = configuration(options)
    with quiet(), beam.Pipeline(runner, parsed) as pipeline:
        _ = pipeline | beam.Create(todo) | beam.ParDo(_Tasks(worker))
