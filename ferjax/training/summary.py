"""Prints a run summary: the network, the data, the devices, and its stages."""

from pathlib import Path

import jax
from clu import parameter_overview
from ml_collections import ConfigDict

from ferjax.cluster.mesh import describe_sharding
from ferjax.config import idle_fields, is_pretraining, stages_of
from ferjax.platform.machine import describe_devices
from ferjax.training.device_source import DeviceSource
from ferjax.training.paths import by_path
from ferjax.training.setup import Parts, Prepared
from ferjax.training.stages import Rules
from ferjax.training.state import TrainState


def print_summary(
    config: ConfigDict, workdir: Path, ready: Prepared, state: TrainState, resumed: bool
) -> None:
    """Prints the summary, in the first process."""
    if jax.process_index() != 0:
        return
    mesh, parts, train, validation, _ = ready
    print(parameter_overview.get_parameter_overview(state.params, include_stats=False))
    if mesh.shape["fsdp"] > 1:
        print(describe_sharding(parts.like, mesh))
    devices, lengths = describe_devices(), parts.plan
    print(
        f"{config.model.name} on {config.data.mixture or config.data.name}: {len(train):,} training and "
        f"{len(validation):,} validation images, {_labels(config, ready)}\n"
        f"{devices['count']} × {devices['kind']}, mesh {dict(mesh.shape)}, {config.train.precision}, "
        f"batch {config.train.batch_size}, {lengths.total:,} steps, {lengths.per_epoch:,.1f} an epoch"
    )
    if isinstance(train, DeviceSource):
        print(f"{train.nbytes / 2**20:,.0f} MiB of training images on every device")
    for line in (*stage_lines(config, parts), *idle_fields(config)):
        print(line)
    print(
        f"workdir {workdir}" + (f", going on from step {int(state.step):,}" if resumed else ""),
        flush=True,
    )


def _labels(config: ConfigDict, ready: Prepared) -> str:
    """Says what labels are for."""
    if is_pretraining(config):
        return f"labels not used (pretrain.method={config.pretrain.method})"
    return f"{len(ready.train.label_names)} classes"


def stage_lines(config: ConfigDict, parts: Parts) -> list[str]:
    """Returns a line for each stage that does more than train everything alike."""
    stages, lengths = stages_of(config), parts.plan
    sizes = {path: leaf.size for path, leaf in by_path(parts.like.params).items()}
    lines = []
    for number, (stage, rules, end) in enumerate(
        zip(stages, parts.rules, lengths.ends, strict=False), start=1
    ):
        facts = []
        if rules.frozen:
            frozen = sum(sizes[path] for path in rules.frozen)
            facts.append(f"{frozen:,} of {sum(sizes.values()):,} parameters stay ({stage.freeze})")
        if rules.cross_entropy != 1 or rules.auxiliary != 1 or rules.auxiliary_losses:
            which = f" ({rules.auxiliary_losses})" if rules.auxiliary_losses else ""
            facts.append(f"loss {rules.cross_entropy:g} · cross entropy + {rules.auxiliary:g} · own{which}")
        if len(stages) > 1:
            facts = [f"to step {end:,}", f"learning rate {stage.learning_rate:g}", *facts]
        if facts:
            lines.append(f"stage {number} of {len(stages)}: {', '.join(facts)}")
        lines += _groups(rules, stage.learning_rate)
    return lines


def _groups(rules: Rules, learning_rate: float) -> list[str]:
    """Returns a line for each group of layers that has a learning rate of its own."""
    groups: dict[float, dict[str, None]] = {}
    for path, factor in rules.rates.items():
        if path not in rules.frozen:
            groups.setdefault(factor, {}).setdefault(path.partition("/")[0])
    return [
        f"  learning rate {learning_rate * factor:.3g} (×{factor:.3g}): {', '.join(modules)}"
        for factor, modules in sorted(groups.items())
    ]
