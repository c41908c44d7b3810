"""Predicts a large set of inputs in parts, each done once, and goes on where an earlier start was ended."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ferjax
from ferjax.bulk import plan as plans
from ferjax.bulk.listing import entries
from ferjax.bulk.plan import Plan
from ferjax.bulk.work import SHOWN, Settings, Worker, identity_of
from ferjax.errors import UserError
from ferjax.files import read_json, write_json_atomic
from ferjax.inference.open_run import open_network
from ferjax.platform.progress_bar import watched

FORMATS = ("parquet", "csv", "jsonl")
_SUMMARY = "_summary.json"


@dataclasses.dataclass(frozen=True)
class Total:
    """What came out of all parts.

    Attributes:
        inputs: status → how many; a video counts once, and is failed if it could not be read to its end.
        faces: rows of faces, over all frames.
        failures: the first ones, with their reasons.
    """

    inputs: Counter[str]
    faces: int
    failures: tuple[str, ...]


def predict_parts(
    arguments: Sequence[str],
    network: Path,
    settings: Settings,
    folder: Path,
    suffix: str,
    part_inputs: int,
    beam: Mapping[str, str] | None,
) -> Total:
    """Predicts every input once and writes its rows into one of many files.

    Args:
        arguments: see `ferjax.bulk.listing.entries`.
        network: a run's workdir or a bundle.
        settings: what is asked of every input.
        folder: of the results: new, empty, or begun by the same command.
        suffix: one of `FORMATS`.
        part_inputs: about how many inputs a part has.
        beam: options of the pipeline; None: this process does the work.

    Raises:
        UserError: bad input, or the folder holds something else.
    """
    carry_out = _one_by_one if beam is None else _under_beam(beam)
    identity = identity_of(open_network(network).with_crops(settings.crops))
    with plans.claimed(folder):
        command = _command(arguments, identity, settings, suffix, part_inputs)
        plan = plans.read(folder, command)
        if plan is None:
            plan = plans.make(folder, entries(arguments, settings.image_column, folder), part_inputs, command)
        todo = plan.todo()
        if len(todo) < len(plan.sizes):
            print(
                f"{len(plan.sizes) - len(todo):,} of {len(plan.sizes):,} parts in {folder} are done already"
            )
        worker = Worker(plan, network.resolve(), identity, settings)
        for task in todo:
            plan.error(task).unlink(missing_ok=True)
        if todo:
            with watched({str(plan.done(task)): plan.sizes[task] for task in todo}, "predicting", "inputs"):
                carry_out(worker, todo)
                _check_all_done(plan)
        return _total(plan)


def _one_by_one(worker: Worker, todo: Sequence[int]) -> None:
    for task in todo:
        worker(task)


def _under_beam(options: Mapping[str, str]) -> Callable[[Worker, Sequence[int]], None]:
    """Checks the options, so that what is wrong with them is said before anything is done."""
    from ferjax.bulk import beam_tasks  # an optional extra

    beam_tasks.configuration(options)
    return partial(beam_tasks.run, options=options)


def _command(
    arguments: Sequence[str], identity: str, settings: Settings, suffix: str, part_inputs: int
) -> dict[str, Any]:
    return {
        "inputs": [os.path.abspath(os.path.expanduser(argument)) for argument in arguments],
        "network": identity,
        **dataclasses.asdict(settings),
        "format": suffix,
        "part_inputs": part_inputs,
        "ferjax": ferjax.__version__,
    }


def _check_all_done(plan: Plan) -> None:
    """Raises UserError with what a worker has told, or if parts are missing."""
    left = plan.todo()
    for task in left:
        if plan.error(task).exists():
            raise UserError(f"{read_json(plan.error(task))['error']} (the same command goes on from there)")
    if left:
        raise UserError(f"{len(left):,} parts are missing in {plan.folder}; start the same command again")


def _total(plan: Plan) -> Total:
    """Adds up the outcomes of all tasks, and writes the sum beside the parts."""
    inputs: Counter[str] = Counter()
    faces, failures = 0, []
    for task in range(len(plan.sizes)):
        outcome = read_json(plan.done(task))
        inputs.update(outcome["inputs"])
        faces += outcome["faces"]
        failures += outcome["failures"][: SHOWN - len(failures)]
    total = Total(inputs, faces, tuple(failures))
    write_json_atomic(plan.folder / _SUMMARY, {**vars(total), "parts": len(plan.sizes)})
    return total
