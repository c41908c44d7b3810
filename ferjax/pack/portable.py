"""A run's config and result without the paths of this machine: they are private, and useless elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.files import user_path
from ferjax.pretrained.places import is_shipped, locate

# What a field of a packed config begins with where it means another run of the pack, and the file beside it.
RUN_OF_PACK = "pack:"
RELABEL = "relabel.csv"


def portable_config(
    content: Mapping[str, Any], packed: Mapping[Path, str]
) -> tuple[dict[str, Any], list[str]]:
    """Returns a config without paths, and what a training would need that is not in the pack.

    Args:
        content: of `config.json`.
        packed: the resolved folder of each run of the pack → its name there.

    Returns:
        The config: `data.dir` is empty; weights of a run in the pack are `pack:NAME`, of a shipped network
        its name, of anything else the name of their file; `data.relabel` is the name of the copy beside it.
        And a sentence for each thing that is missing.
    """
    config = {group: dict(fields) for group, fields in content.items()}
    needs = []
    config.setdefault("data", {})["dir"] = ""
    if config["data"].get("relabel"):
        config["data"]["relabel"] = RELABEL
    for group, what in (("init", "initial weights"), ("distill", "a teacher")):
        value = config.get(group, {}).get("from", "")
        references = [_reference(part.strip(), packed) for part in value.split(",") if part.strip()]
        if group in config:
            config[group]["from"] = ",".join(name for name, _ in references)
        needs += [f"{what}: {name}" for name, there in references if not there]
    return config, needs


def _reference(text: str, packed: Mapping[Path, str]) -> tuple[str, bool]:
    """Returns the name of weights in a pack, and whether whoever has the pack has them."""
    path = user_path(text)
    if (name := packed.get(path.resolve())) is not None:
        return f"{RUN_OF_PACK}{name}", True
    place = locate(text)
    if place != path and is_shipped(place / "manifest.json"):
        return text, True
    return path.name, False


def portable_result(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a result without paths."""
    result = dict(content)
    if "init" in result:
        init = dict(result["init"])
        init["from"] = Path(str(init.get("from", ""))).name
        init["trained_on"] = [_without_folder(one) for one in init.get("trained_on") or []]
        result["init"] = init
    if "relabel" in result:
        result["relabel"] = {**result["relabel"], "file": RELABEL}
    return result


def _without_folder(record: Mapping[str, Any]) -> dict[str, Any]:
    data = {**record["data"], "dir": ""}
    if data.get("relabel"):
        data["relabel"] = Path(data["relabel"]).name
    return {**record, "data": data}
