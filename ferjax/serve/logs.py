"""Writes the service's log: one JSON object a line on stderr, without pictures, names, keys or addresses."""

import datetime
import json
import logging
import sys

logger = logging.getLogger("ferjax.serve")
_FIELDS = "fields"  # the attribute of a record that holds further fields


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            # Where it happened. What the error says may quote the client.
            trace = record.exc_info[2]
            places = []
            while trace:
                places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
                trace = trace.tb_next
            line["places"] = places
        return json.dumps(line)


def to_stderr() -> None:
    """Sends the service's messages, and errors of the web server below it, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    levels = {"ferjax.serve": logging.INFO, "uvicorn": logging.ERROR, "python_multipart": logging.ERROR}
    for name, level in levels.items():
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
