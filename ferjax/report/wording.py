"""Formats numbers as people read them; None, which JSON has for NaN or unknown, becomes a dash."""

import datetime
from collections.abc import Mapping
from typing import Any

_DASH = "–"


def percent(share: float | None, digits: int = 2) -> str:
    """Formats a share in [0, 1] as percent: 0.7134 → "71.34%"."""
    return _DASH if share is None else f"{100 * share:.{digits}f}%"


def points(share: float, digits: int = 2) -> str:
    """Formats a difference of shares in percentage points, with its sign: 0.0134 → "+1.34"."""
    text = f"{100 * share:+.{digits}f}"
    return "0." + "0" * digits if not text.strip("+-0.") else text.replace("-", "−")


def p_value(p: float) -> str:
    """Formats a p value: 0.0004 → "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def overlap(counts: Mapping[str, Any] | None) -> str:
    """Says how many scored images the weights were trained on, from the field `overlap`; empty if none."""
    if not counts:
        return ""
    places = {
        "train": "the training data",
        "validation": "the validation data",
        "earlier": "what the initial weights were trained on",
    }
    parts = [f"{counts[name]:,} in {place}" for name, place in places.items() if counts.get(name)]
    return f"of {counts['images']:,} scored images the same pixels stand {', '.join(parts)}" if parts else ""


def best_on_test(result: Mapping[str, Any]) -> str:
    """Says what choosing the step on test would have given, from the field `best_on_test`; empty without."""
    best = result.get("best_on_test")
    if not best:
        return ""
    gain = points(best["accuracy"] - result["test"]["accuracy"])
    return (
        f"Best epoch on test, as much of the field reports it: {percent(best['accuracy'])} at step "
        f"{number(best['step'])}, {gain} points. No weights were chosen by it, and it is not a result"
    )


def number(value: float | None, digits: int = 0) -> str:
    """Formats a number with separated thousands: 12300 → "12,300"."""
    return _DASH if value is None else f"{value:,.{digits}f}"


def duration(seconds: float | None) -> str:
    """Formats seconds in the two largest units: 4530 → "1 h 15 min", 42 → "42 s"."""
    if seconds is None:
        return _DASH
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [f"{days} d", f"{hours} h", f"{minutes} min", f"{rest} s"]
    first = next((i for i, count in enumerate((days, hours, minutes)) if count), 3)
    return " ".join(units[first : first + 2])


def memory(count: int | None) -> str:
    """Formats bytes as MiB or GiB: 3435973836 → "3.2 GiB"."""
    if count is None:
        return _DASH
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def day(date: str) -> str:
    """Formats the day of an ISO date, "2025-03-01T12:00:00+00:00" → "1 Mar 2025"; keeps other text."""
    try:
        moment = datetime.datetime.fromisoformat(date)
    except ValueError:
        return date
    return f"{moment.day} {moment:%b %Y}"


def count_of(count: int, noun: str) -> str:
    """Joins a count and its noun: (1, "process") → "1 process", (8, "process") → "8 processes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"
