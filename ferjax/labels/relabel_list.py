"""Writes the suspects of a set as a relabel file, for people to fill in, and never over their work."""

from pathlib import Path

from ferjax.data import relabel_file
from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.labels.found import Found
from ferjax.platform import outputs


def check(path: Path) -> None:
    """Raises UserError if the place holds another file, or a list in which somebody has filled in labels."""
    if not path.exists():
        return
    first, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    if first not in {",".join((key, *relabel_file.COLUMNS)) for key in relabel_file.KEYS}:
        raise UserError(f"{path} was not written by ferjax labels and would be overwritten; move it away")
    if any(not line.endswith(",") for line in lines):
        raise UserError(
            f"{path} holds labels that somebody has filled in and that would be lost: move it away, or name "
            "another --out"
        )


def write(path: Path, found: Found) -> None:
    """Writes a row for each suspect, the worst first; the column of new labels is empty.

    Raises:
        UserError: see `check`; or the place cannot be written.
    """
    check(path)
    whole, names = found.whole, found.whole.label_names
    rows = [
        (
            whole.keys[int(example)],
            names[int(whole.labels[example])],
            names[int(suggested)],
            f"{score:.4f}",
            "",
        )
        for example, suggested, score in zip(*found.suspects, strict=True)
    ]
    with outputs.describing_errors(path):
        write_atomic(path, relabel_file.content(whole.key, rows))
