"""The record of the data that made a network's weights, as a checkpoint or a bundle holds it."""

from ferjax.config import defaults


def is_record(value: object) -> bool:
    """Checks that a value, read from a file, is a list as
    `ferjax.training.contamination.seen_by` makes it."""
    known = {name: type(default) for name, default in defaults().data.to_dict().items()}
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("data"), dict)
        and isinstance(one["data"].get("name"), str)
        and all(type(held) is known.get(name) for name, held in one["data"].items())
        for one in value
    )
