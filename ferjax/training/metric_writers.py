"""Where metrics go while a network trains: the console, `metrics.jsonl` and TensorBoard.

Every writer has `write(step, split, values)` and `close()`. In a run of several processes only the
first one makes writers. Names that the console and the report know: `loss`, `accuracy`,
`mean_class_accuracy`, `macro_f1` (in [0, 1]), `learning_rate`, `images_per_second`; splits: `train`,
`validation`, `test`. Any other name is written as it is.
"""

import contextlib
import datetime
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from ferjax.files import plain, write_atomic
from ferjax.platform import console
from ferjax.runs.metrics import read_metrics


class Writer(Protocol):
    """A destination of metrics."""

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Writes the values of one split at one step (training steps done so far)."""

    def close(self) -> None:
        """Writes everything still buffered; the writer is not used afterwards."""


def _shown(name: str, value: float) -> str:
    """Formats a value with its name: accuracies in percent, the rest in four digits."""
    if name.endswith("accuracy"):
        return f"{name} {100 * value:.2f}%"
    return f"{name} {value:.4g}" if name == "learning_rate" else f"{name} {value:.4f}"


class ConsoleWriter:
    """One progress line for training; a line of its own, marked, for every other split.

    On a terminal the progress line is rewritten in place. In a log file each write is one line, so
    `tail -f` and `grep` work. The text is ASCII: it prints under any locale.
    """

    def __init__(
        self,
        total_steps: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Starts no output.

        Args:
            total_steps: the step at which training ends.
            stream: where the lines go, standard output if left out.
            clock: seconds that only go forward; the time left comes from it.
        """
        self._total = total_steps
        self._stream = stream or sys.stdout
        self._clock = clock
        self._tty = self._stream.isatty()
        self._first: tuple[int, float] | None = None  # step and time of the first training write

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Shows a training step as progress, and any other split as a marked line."""
        if split == "train":
            self._progress(self._training_line(step, values))
        else:
            shown = "  ".join(_shown(name, float(value)) for name, value in values.items())
            self._line(f">> {split} at step {step:,}:  {shown}")

    def close(self) -> None:
        """Ends the progress line."""
        console.end_progress()

    def _training_line(self, step: int, values: Mapping[str, float]) -> str:
        parts = [f"step {step:>{len(f'{self._total:,}')},}/{self._total:,}"]
        parts += [_shown(name, float(values[name])) for name in ("loss", "accuracy") if name in values]
        if "images_per_second" in values:
            parts.append(f"{float(values['images_per_second']):,.0f} images/s")
        parts.append(f"{self._time_left(step)} left")
        return "  ".join(parts)

    def _time_left(self, step: int) -> str:
        """Hours, minutes and seconds at the mean pace since the first write, evaluations included.

        The clock starts at the first write, not before, to leave out compilation.
        """
        now = self._clock()
        if self._first is None:
            self._first = step, now
        first_step, first_time = self._first
        if step >= self._total:
            return "0:00:00"
        if step == first_step:
            return "-:--:--"
        seconds = (self._total - step) * (now - first_time) / (step - first_step)
        return str(datetime.timedelta(seconds=round(seconds)))

    def _progress(self, text: str) -> None:
        if not self._tty:
            self._line(text)
            return
        console.show_progress(self._stream, text)

    def _line(self, text: str) -> None:
        console.end_progress()
        marked = self._tty and text.startswith(">>")
        self._stream.write(f"\x1b[1m{text}\x1b[0m\n" if marked else f"{text}\n")
        self._stream.flush()


class JsonlWriter:
    """One JSON object a line: `{"step": 100, "split": "train", "loss": 1.2}`.

    NaN and infinities are written as null. Each line is flushed, so a kill loses at most the line
    that was being written.
    """

    def __init__(self, path: Path | str, resume_step: int | None = None):
        """Opens the file for appending.

        Args:
            path: the file, `metrics.jsonl` of a workdir; its directory is made if it is missing.
            resume_step: the step of the restored checkpoint: rows that the resumed run will write
                again, of later steps and of the test at the end, are dropped. None starts an empty
                file.

        Raises:
            UserError: if the file to resume holds a broken line other than the last.
        """
        path = Path(path)
        kept = []
        if resume_step is not None and path.exists():
            kept = [
                row for row in read_metrics(path) if row["step"] <= resume_step and row["split"] != "test"
            ]
        write_atomic(path, "".join(map(_json_line, kept)).encode())
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Appends one row.

        Raises:
            ValueError: if a value is named `step` or `split`, which the row uses itself.
        """
        if values.keys() & {"step", "split"}:
            raise ValueError(f"a metric cannot be named step or split: {sorted(values)}")
        self._file.write(_json_line({"step": int(step), "split": split, **values}))
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _json_line(row: Mapping[str, object]) -> str:
    return json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n"


def _summary_writer() -> type:
    """Imports tensorboardX's writer without torch, which it would import if it is installed, for seconds."""
    modules: dict[str, Any] = sys.modules
    torch = modules.get("torch")
    modules["torch"] = None
    try:
        from tensorboardX import SummaryWriter
    finally:
        if torch is None:
            del modules["torch"]
        else:
            modules["torch"] = torch
    return SummaryWriter


class TensorBoardWriter:
    """Scalars as TensorBoard event files; the tag is `split/name`."""

    def __init__(self, directory: Path | str, resume_step: int | None = None):
        """Opens a new event file.

        Args:
            directory: where event files go, `tensorboard/` of a workdir.
            resume_step: the step of the restored checkpoint: TensorBoard hides what an earlier
                process wrote for later steps. None hides everything written before.
        """
        self._writer = _summary_writer()(
            str(directory),
            purge_step=0 if resume_step is None else resume_step + 1,
            flush_secs=30,
            # The file name has only seconds, and a restart within one would overwrite the events.
            filename_suffix=f".{time.time_ns()}",
        )

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Adds one scalar for each value."""
        for name, value in values.items():
            self._writer.add_scalar(f"{split}/{name}", float(value), int(step))

    def close(self) -> None:
        """Writes what is held back and closes the event file."""
        self._writer.close()


class MultiWriter:
    """Passes everything on to several writers, in order."""

    def __init__(self, writers: Sequence[Writer]):
        self._writers = tuple(writers)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Writes to every writer."""
        for writer in self._writers:
            writer.write(step, split, values)

    def close(self) -> None:
        """Closes every writer, also when closing one of them fails."""
        with contextlib.ExitStack() as stack:
            for writer in self._writers:
                stack.callback(writer.close)
