"""Decides when a run of several processes must end: one is silent, has failed, or all hang. No threads."""

import dataclasses

from ferjax.errors import TRY_AGAIN

AGAIN = "the same command goes on from the last checkpoint"


@dataclasses.dataclass(frozen=True)
class Limits:
    """Time limits in seconds.

    Attributes:
        silence: a process without a sign of life for this long counts as lost.
        progress: a run without a finished step in any process for this long counts as hung. Loading the data,
            compiling and a validation must fit into it.
    """

    silence: float = 30.0
    progress: float = 1800.0

    @property
    def interval(self) -> float:
        """The time between two signs of life."""
        return min(max(self.silence / 10, 0.1), 5.0)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The exit code with which the run ends, and why."""

    code: int
    text: str


@dataclasses.dataclass
class Report:
    """A process's state: `beat` counts up, `failure` is the verdict with which it ends.

    `request` is a verdict that it asks for and will obey as the others do.
    """

    name: str
    beat: int = 0
    step: int = -1
    failure: tuple[int, str] | None = None
    request: tuple[int, str] | None = None
    obeyed: bool = False


class Judge:
    """Process 0's view of all processes; the time is an argument, so that tests need not wait."""

    def __init__(self, count: int, limits: Limits, now: float) -> None:
        self._limits = limits
        self._reports: dict[int, Report] = {}
        self._heard = dict.fromkeys(range(count), now)
        self._moved = now

    def note(self, reports: dict[int, Report], now: float) -> None:
        """Records the newest reports."""
        for index, report in reports.items():
            before = self._reports.get(index)
            if before is None or report.beat != before.beat:
                self._heard[index] = now
            if before is None or report.step != before.step:
                self._moved = now
        self._reports.update(reports)

    def verdict(self, now: float) -> Verdict | None:
        """Returns the verdict if the run must end now."""
        for index, report in sorted(self._reports.items()):
            if wanted := report.failure or report.request:
                code, text = wanted
                return Verdict(code, f"{text} (process {index}, {report.name})")
        lost = [index for index, at in self._heard.items() if now - at > self._limits.silence]
        if lost:
            return Verdict(
                TRY_AGAIN,
                f"no sign of life for {self._limits.silence:g} s from {self._named(lost)}: killed, or its "
                f"machine or network is gone; {AGAIN}",
            )
        if now - self._moved > self._limits.progress:
            last = [f"{self._named([index])} step {r.step}" for index, r in sorted(self._reports.items())]
            return Verdict(
                TRY_AGAIN,
                f"no process has finished a step for {self._limits.progress:g} s; last: {', '.join(last)}; "
                f"{AGAIN}",
            )
        return None

    def all_obeyed(self, now: float) -> bool:
        """Checks that every other process that is alive has read the verdict."""
        silent = {index for index, at in self._heard.items() if now - at > self._limits.silence}
        return all(r.obeyed or r.failure or i == 0 or i in silent for i, r in self._reports.items())

    def _named(self, indices: list[int]) -> str:
        names = [f"{i} ({self._reports[i].name})" if i in self._reports else str(i) for i in indices]
        return f"process {', '.join(names)}"
