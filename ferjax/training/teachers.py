"""Opens the networks that a run learns from."""

from collections.abc import Sequence

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.cluster.mesh import replicated
from ferjax.data.label_spaces import meaning
from ferjax.errors import UserError
from ferjax.models.class_maps import check_averages
from ferjax.runs.checksum import checksum
from ferjax.training.distillation import Teacher
from ferjax.training.memory import check_teachers


def open_teachers(config: ConfigDict, label_names: Sequence[str], mesh: Mesh) -> tuple[Teacher, ...]:
    """Opens what `distill.from` names, and puts the weights on every device; nothing without it.

    Args:
        config: of the run.
        label_names: the run's classes.
        mesh: the devices.

    Raises:
        UserError: one is neither a run nor a bundle, is damaged, or has other classes; or the devices
            cannot have the memory for a step with them.
    """
    teachers = read_teachers(config, label_names)
    check_teachers(config, teachers, mesh)
    return tuple(
        teacher._replace(variables=jax.device_put(teacher.variables, replicated(mesh)))
        for teacher in teachers
    )


def read_teachers(config: ConfigDict, label_names: Sequence[str] | None) -> tuple[Teacher, ...]:
    """Opens what `distill.from` names, with the weights where they were read to.

    Args:
        config: the groups `distill` and `data` are read.
        label_names: the run's classes; those of each teacher itself if None.

    Raises:
        UserError: one is neither a run nor a bundle, is damaged, or has other classes.
    """
    paths = [part.strip() for part in config.distill["from"].split(",") if part.strip()]
    return tuple(_read(path, config, label_names) for path in paths)


def _read(path: str, config: ConfigDict, label_names: Sequence[str] | None) -> Teacher:
    from ferjax.inference.open_run import open_network  # above training: only who has teachers needs it

    network = open_network(path)
    label_names = network.label_names if label_names is None else label_names
    own, theirs = ([meaning(name) for name in names] for names in (label_names, network.label_names))
    if sorted(own) != sorted(theirs):
        raise UserError(
            f"the teacher {path} knows {', '.join(network.label_names)[:100]}; it must have the "
            f"classes of the data set: {', '.join(label_names)[:100]}"
        )
    if config.distill.attention:
        shape = (network.image_size, network.image_size, 3)
        check_averages(network.model, shape, f"the teacher {path} with distill.attention")
    return Teacher(
        path=path,
        model=network.model,
        variables=network.variables,
        order=tuple(theirs.index(name) for name in own),
        image_size=network.image_size,
        grey=network.grey,
        checksum=checksum(network.variables),
        # A bundle does not say where its sets lay: they are looked for where the run's own lies.
        trained_on=[
            {**one, "data": {**one["data"], "dir": one["data"]["dir"] or config.data.dir}}
            for one in network.trained_on
        ],
    )
