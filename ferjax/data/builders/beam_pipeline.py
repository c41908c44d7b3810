"""Runs the tasks of `shard_tasks` under Apache Beam (an optional extra), on this machine or a cluster."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from ferjax.data.builders.shard_tasks import Outcome, Task
from ferjax.data.builders.shards import Written
from ferjax.files import disk_trouble
from ferjax.platform import beam_pipeline
from ferjax.platform.beam_pipeline import beam


def configuration(options: Mapping[str, str]) -> tfds.download.DownloadConfig:
    """Makes what TFDS's `download_and_prepare` takes to build under Beam.

    Args:
        options: see `ferjax.platform.beam_pipeline.configuration`.

    Raises:
        UserError: Beam knows no such option or runner, or the value is not valid.
    """
    runner, parsed = beam_pipeline.configuration(options)
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
    with beam_pipeline.quiet(), beam.Pipeline(config.beam_runner, config.beam_options) as pipeline:
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
