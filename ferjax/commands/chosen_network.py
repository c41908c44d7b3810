"""The network that a command opens, a run, a bundle, or one that ferjax ships, and what computes it."""

import sys
from pathlib import Path

from absl import flags

from ferjax.augment.crops import VIEWS
from ferjax.commands import framework
from ferjax.deploy.engines import AUTO, ENGINES
from ferjax.hub.address import SCHEME, endpoint, parse
from ferjax.inference.bundle_files import CARD
from ferjax.pretrained.places import DEFAULT, is_shipped, locate

# What `workdir_flag` defines belongs to the command that calls it.
flags.disclaim_key_flags()


def workdir_flag() -> flags.FlagHolder:
    """Defines --workdir of a command that can do without a run."""
    return framework.network_flag(
        "workdir",
        f"The run's folder, a bundle, or hf://OWNER/NAME[@REVISION] of a hub; {DEFAULT}, which ferjax ships, "
        "if empty.",
    )


def engine_flag() -> flags.FlagHolder:
    """Defines --engine of a command that answers for faces."""
    return flags.DEFINE_enum(
        "engine",
        AUTO,
        ENGINES,
        "What computes the answers on a CPU; auto: whichever is faster for the network here, measured once.",
    )


def crops_flag() -> flags.FlagHolder:
    """Defines --crops of a command that answers for faces."""
    return flags.DEFINE_enum(
        "crops",
        None,
        list(VIEWS),
        "The views of a face whose answers are averaged: none, the face alone, takes half the time of flip, "
        "the face and its mirror image; five and ten cut crops. The network's own if left out.",
    )


def chosen_network(named: str) -> Path:
    """Returns the path of the network to open, and says on stderr if it is one that ferjax ships.

    Args:
        named: a path, the name of a shipped network, or an address that begins with hf://, which is pulled
            unless it was before; empty: the usual one.

    Raises:
        UserError: the address is wrong, or the hub has no such bundle.
    """
    if named.startswith(SCHEME):
        from ferjax.hub.pull import cached

        return cached(parse(named), endpoint(""))
    path = locate(named or DEFAULT)
    if is_shipped(path):
        print(
            f"the network is {path.name}, which ferjax ships; its model card: {path / CARD}", file=sys.stderr
        )
    return path
