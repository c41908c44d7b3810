"""Writes a config as a file that `--config` takes."""

from ml_collections import ConfigDict

from ferjax.config import defaults, flat

_FILE = '''"""{about}"""

# {mark}
from ml_collections import ConfigDict

from ferjax import config as ferjax_config


def get_config(argument: str = "") -> ConfigDict:
    dataset, overrides = ferjax_config.split_argument(argument, default={dataset!r})
    config = ferjax_config.defaults()
{stages}{fields}
    config.data.name = dataset
    for field, value in overrides.items():
        ferjax_config.override(config, field, value)
    return config
'''


def config_file(config: ConfigDict, about: str, mark: str) -> str:
    """Returns the text of a Python file whose `get_config` returns a config.

    Args:
        config: a valid one.
        about: its docstring, of plain text.
        mark: a comment.
    """
    usual = dict(flat(defaults()))
    fields = {
        name: value
        for name, value in flat(config)
        if name != "data.name" and not name.startswith("stages.") and usual.get(name, ...) != value
    }
    stages = ", ".join(repr(stage.to_dict()) for stage in config.stages.values())
    lines = [
        f"    ferjax_config.override(config, {name!r}, {_plain(value)!r})" for name, value in fields.items()
    ]
    return _FILE.format(
        about=about.replace("\\", "\\\\").replace('"', "'"),
        mark=mark,
        dataset=config.data.name,
        stages=f"    ferjax_config.set_stages(config, {stages})\n" if stages else "",
        fields="\n".join(lines),
    )


def _plain(value: object) -> object:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
