"""Runs the tasks of `shard_tasks` under Apache Beam (an optional extra), on this machine or a cluster."""

# Types are checked without Apache Beam:
# pyright: reportMissingImports=false

import contextlib
import json
import logging
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from ferjax.data.builders.shard_tasks import Outcome, Task
from ferjax.data.builders.shards import Written
from ferjax.errors import UserError
from ferjax.files import disk_trouble


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Beam from logging every cloud client that is missing, and every error several times.

    What goes wrong is raised as an exception, too.
    """
    logger = logging.getLogger("apache_beam")
    level, disabled = logger.level, logging.root.manager.disable
    logger.setLevel(logging.CRITICAL)
    logging.disable(max(disabled, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(disabled)
        logger.setLevel(level)


try:
    with _quiet():
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions, TypeOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner
        from apache_beam.transforms.environments import SubprocessSDKEnvironment
except ImportError as error:
    raise UserError(
        f"--beam needs Apache Beam ({error}): pip install 'ferjax[beam]', best into an environment of its own"
    ) from error

# The local runner starts a process for each core. Their log is thrown away, since errors reach this process
# as exceptions. They ignore Ctrl-C, because this process gets it too and ends them.
WORKERS = {"direct_num_workers": "0"}
_WORKER = (
    "trap '' INT; "
    f"exec {shlex.quote(sys.executable)} -m apache_beam.runners.worker.sdk_worker_main 2>/dev/null"
)


def configuration(options: Mapping[str, str]) -> tfds.download.DownloadConfig:
    """Makes what TFDS's `download_and_prepare` takes to build under Beam.

    Args:
        options: of the pipeline, as Beam names them; without `runner` this machine's cores do the work.

    Raises:
        UserError: Beam knows no such option or runner, or the value is not valid.
    """
    local = "runner" not in options
    flags = {**(WORKERS if local else {}), **options}
    try:
        with _quiet():
            parsed = PipelineOptions([f"--{name}={value}" for name, value in flags.items()])
            known = parsed.get_all_options()
            runner = (
                FnApiRunner(SubprocessSDKEnvironment.from_command_string(_WORKER))
                if local
                else beam.runners.create_runner(options["runner"])
            )
    except SystemExit:  # argparse has printed what is wrong
        raise UserError("--beam_option cannot be used: see the line above") from None
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(f"--beam_option=runner={options.get('runner')}: {error}") from error
    if unknown := sorted(options.keys() - known.keys()):
        raise UserError(f"--beam_option: Apache Beam has no option {', '.join(unknown)}")
    # Inferred types of what passes between the stages would only be in the way.
    parsed.view_as(TypeOptions).pipeline_type_check = False
    return tfds.download.DownloadConfig(beam_runner=runner, beam_options=parsed)


def run(
    todo: Sequence[Task],
    write: Callable[[Task], Outcome],
    folder: Path,
    config: tfds.download.DownloadConfig,
) -> list[Outcome]:
    """Carries out tasks as one pipeline.

    Args:
        todo: the tasks.
        write: carries out one; sent to the workers.
        folder: all workers see it; holds their outcomes while the pipeline runs.
        config: see `configuration`.
    """
    place = folder / "beam"
    place.mkdir()
    with _quiet(), beam.Pipeline(config.beam_runner, config.beam_options) as pipeline:
        _ = (
            pipeline
            | beam.Create(todo)
            | beam.Map(_attempt, write)
            | beam.io.WriteToText(os.fspath(place / "outcomes"))
        )
    lines = [line for path in sorted(place.iterdir()) for line in path.read_text().splitlines()]
    shutil.rmtree(place)
    return [_from_text(line) for line in lines]


def _attempt(task: Task, write: Callable[[Task], Outcome]) -> str:
    """Carries out a task; returns its outcome as JSON. After a full disk Beam must not try again."""
    try:
        outcome = write(task)
    except (OSError, RuntimeError) as error:
        if disk_trouble(error) is None:
            raise
        return json.dumps({"error": str(error)})
    return json.dumps({**vars(outcome), "written": vars(outcome.written)})


def _from_text(text: str) -> Outcome:
    fields = json.loads(text)
    if "error" in fields:
        raise RuntimeError(fields["error"])
    written = fields.pop("written")
    return Outcome(written=Written(**{**written, "labels": Counter(written["labels"])}), **fields)
