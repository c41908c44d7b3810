"""Writes the service's log: one JSON object a line on stderr, without pictures, names, keys or addresses."""

import datetime
import json
import logging
import sys
import traceback

logger = logging.getLogger("ferjax.serve")
_FIELDS = "fields"  # the attribute of a record that holds further fields
# Those of libraries quote what they were given, such as a damaged picture's fields.
_LEVELS = {
    "ferjax.serve": logging.INFO,
    "uvicorn": logging.ERROR,
    "python_multipart": logging.CRITICAL,
    "PIL": logging.CRITICAL,
}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info and record.exc_info[1]:
            line |= _describe(record.exc_info[1])
        return json.dumps(line)


def _describe(error: BaseException) -> dict[str, object]:
    """Says what kind of error it is and where it happened; its message may quote the client."""
    while isinstance(error, BaseExceptionGroup):  # of a task group, whose first error ends it
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "places": [f"{frame.filename}:{frame.lineno}" for frame in frames]}


def to_stderr() -> None:
    """Sends the service's messages, and errors of the web server below it, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    for name, level in _LEVELS.items():
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)


def write(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Writes a line.

    Args:
        event: what happened, one or few words.
        level: of `logging`; from ERROR on the current exception's kind and places are added.
        fields: numbers and fixed words; never what a client sent.
    """
    logger.log(level, event, extra={_FIELDS: fields}, exc_info=level >= logging.ERROR)
