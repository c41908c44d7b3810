"""Decides whether rows that are refused may be skipped: a few may, but not those of another set or layout."""

from ferjax.errors import UserError

# So many rows are looked at.
SURVEYED = 300
LONGEST = 200  # letters of a path in a message


class BadRowError(UserError):
    """One row or image that is refused.

    Args:
        where: its file, and the line of it.
        why: the reason.
    """

    def __init__(self, where: str, why: object) -> None:
        shown = where if len(where) <= LONGEST else "…" + where[1 - LONGEST :]
        super().__init__(f"{shown}: {why}")


class SurveyedError(Exception):
    """Enough rows were looked at."""


class Survey:
    """Counts the rows that are taken and those that are refused, and why."""

    def __init__(self) -> None:
        self._taken = self._refused = 0
        self._labels: set[str] = set()

    def accept(self, readable: bool) -> None:
        """Counts a row; one that the set is known to lack counts for nothing."""
        self._taken += readable
        self._look()

    def refuse(self, why: str) -> None:
        """Counts a row that is refused."""
        self._refused += 1
        if why.startswith("label "):
            self._labels.add(why)
        self._look()

    def advice(self) -> str:
        """Returns a sentence for the user: to skip such rows only where they are few and of no pattern."""
        rows = self._taken + self._refused
        # Several labels of no class: they are perhaps those of another set, whose others mean something else.
        few = self._refused <= (0.01 * rows if len(self._labels) > 1 else max(2, 0.1 * rows))
        if few and self._refused < self._taken:
            return "--skip_bad_rows leaves such rows out and counts them"
        return (
            f"{self._refused} of the first {rows} rows are refused: perhaps this is another set, or another "
            "layout"
        )

    def _look(self) -> None:
        if self._taken + self._refused >= SURVEYED:
            raise SurveyedError
