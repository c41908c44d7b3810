"""The tasks of `shard_tasks` under Apache Beam, an optional extra: on this machine's cores or a cluster."""

import json
import logging
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from ferjax.data.builders import disk_trouble
from ferjax.data.builders.shard_tasks import Outcome, Task
from ferjax.data.builders.shards import Written
from ferjax.errors import UserError

logging.disable(logging.WARNING)  # it tells of every cloud whose client is not installed
try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions, TypeOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment
except ImportError as error:
    raise UserError(
        f"--beam needs Apache Beam ({error}): pip install 'ferjax[beam]', best into an environment of its own"
    ) from error
finally:
    logging.disable(logging.NOTSET)

# The local runner: a process for each core. What they log is thrown away; what goes wrong is told otherwise.
# Ctrl-C reaches the process that waits for them, which ends them.
WORKERS = {"direct_num_workers": "0"}
_WORKER = (
    "trap '' INT; "
    f"exec {shlex.quote(sys.executable)} -m apache_beam.runners.worker.sdk_worker_main 2>/dev/null"
)


def configuration(options: Mapping[str, str]) -> tfds.download.DownloadConfig:
    """What TFDS's `download_and_prepare` takes to build under Beam.

    Args:
        options: of the pipeline, as Beam names them; without `runner` this machine's cores do the work.

    Raises:
        UserError: Beam knows no such option or runner, or the value cannot be.
    """
    # What goes wrong is raised here, too; the log would tell it several times, traceback and all.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    local = "runner" not in options
    flags = {**(WORKERS if local else {}), **options}
    try:
        parsed = PipelineOptions([f"--{name}={value}" for name, value in flags.items()])
        known = parsed.get_all_options()
        runner = (
            FnApiRunner(SubprocessSDKEnvironment.from_command_string(_WORKER))
            if local
            else beam.runners.create_runner(options["runner"])
        )
    except SystemExit:  # argparse has told what is wrong
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
        folder: all workers see it; holds what they tell, for the time being.
        config: see `configuration`.
    """
    told = folder / "beam"
    told.mkdir()
    with beam.Pipeline(config.beam_runner, config.beam_options) as pipeline:
        _ = (
            pipeline
            | beam.Create(todo)
            | beam.Map(_attempt, write)
            | beam.io.WriteToText(os.fspath(told / "outcomes"))
        )
    outcomes = [_of_text(line) for path in sorted(told.iterdir()) for line in path.read_text().splitlines()]
    shutil.rmtree(told)
    return outcomes


def _attempt(task: Task, write: Callable[[Task], Outcome]) -> str:
    """Carries out a task and tells the outcome as JSON. A full disk is no reason to try again and again."""
    try:
        outcome = write(task)
    except (OSError, RuntimeError) as error:
        if disk_trouble(error) is None:
            raise
        return json.dumps({"error": str(error)})
    return json.dumps({**vars(outcome), "written": vars(outcome.written)})


def _of_text(text: str) -> Outcome:
    fields = json.loads(text)
    if "error" in fields:
        raise RuntimeError(fields["error"])
    written = fields.pop("written")
    return Outcome(written=Written(**{**written, "labels": Counter(written["labels"])}), **fields)
