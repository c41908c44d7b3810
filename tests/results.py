"""The content of a `result.json` from fields by name, so that a test names only those that it changes."""

import dataclasses

from ferjax.runs.result_content import Cost, Environment, Scores, Training, build_result

_GROUPS = (Training, Scores, Cost, Environment)


def result_of(**fields):
    """Sorts the fields into the groups that `build_result` takes."""
    names = [{field.name for field in dataclasses.fields(group)} for group in _GROUPS]
    assert fields.keys() <= set().union(*names)
    groups = [
        group(**{name: value for name, value in fields.items() if name in own})
        for group, own in zip(_GROUPS, names, strict=True)
    ]
    return build_result(*groups)
