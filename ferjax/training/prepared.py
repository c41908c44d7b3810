"""Opens what a run needs before its first step: its teachers, its data, and its compiled parts."""

from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.data.memory_source import check_fits, into_memory
from ferjax.data.mixture import MixedSource
from ferjax.data.sources import Source, StreamSource
from ferjax.training.device_source import DeviceSource
from ferjax.training.setup import Parts, Prepared, assemble
from ferjax.training.splits import load_split
from ferjax.training.teachers import open_teachers


def prepare(config: ConfigDict, mesh: Mesh, parts: Parts | None = None) -> Prepared:
    """Opens the data and builds the steps; `train.seed` is not read.

    Args:
        config: of the run.
        mesh: the devices.
        parts: of a run of the same recipe, whose lengths and compiled steps are shared; built if left out.

    Raises:
        UserError: a split or a teacher is missing or damaged, or the config does not fit it.
    """
    test = load_split(config, "test", cache="stream")  # a set without one fails before others are decoded
    teachers = () if parts else open_teachers(config, test.label_names, mesh)
    train, validation = load_decoded(config)
    if config.data.cache == "device":
        train = DeviceSource(train, mesh)
    parts = parts or assemble(config, train, mesh, teachers=teachers)
    return Prepared(mesh, parts, train, validation, test)


def load_decoded(config: ConfigDict) -> tuple[Source, Source]:
    """Opens the training and the validation split; of both together it is known first whether they fit."""
    if config.data.cache not in ("memory", "device"):
        return load_split(config, "train"), load_split(config, "validation")
    train, validation = (load_split(config, split, cache="stream") for split in ("train", "validation"))
    check_fits([train, validation])
    assert isinstance(train, StreamSource | MixedSource)  # as cache="stream" says
    assert isinstance(validation, StreamSource)
    decoded = train.decoded() if isinstance(train, MixedSource) else into_memory(train)
    return decoded, into_memory(validation)
