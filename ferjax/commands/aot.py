"""`python -m ferjax aot --topology=v5e:4x4 --config=FILE`: estimates a training step on other hardware.

Compiles the real step for the named TPU topology, without a TPU: only its compiler is needed
(`pip install 'ferjax[tpu-aot]'`). Several topologies, separated by commas, give a table of scaling.
`--topology=here` compiles for this machine's devices and shows the measured time beside the estimate.
Kinds: v4, v5e, v5p, v6e.
"""

import json
import logging
from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.platform import outputs
from ferjax.registry import verb

logger = logging.getLogger(__name__)
_VERB = "aot"

_CONFIG = framework.config_flag()
_TOPOLOGY = flags.DEFINE_list("topology", None, "KIND:SHAPE such as v5e:4x4, several, or here.")
_CLASSES = flags.DEFINE_integer("num_classes", 7, "Number of classes.", 2, 2**16)
_BATCH = flags.DEFINE_integer(
    "batch_per_device",
    0,
    "Sets train.batch_size to this times the devices; 0: keeps it.",
    lower_bound=0,
    upper_bound=2**20,
)
_TRAFFIC = flags.DEFINE_integer(
    "traffic",
    0,
    "Also lists this many instructions, those that move most bytes through a TPU's main memory.",
    lower_bound=0,
    upper_bound=10_000,
)
_STOP = flags.DEFINE_bool(
    "stop_when_scheduled",
    False,
    "Makes no machine code, a quarter of the time for TPUs: its size stays unknown, and operations are those "
    "of the matrix unit.",
)
_JSON = framework.path_flag("json", "", "Also writes everything to this file.")
_PLOT = framework.path_flag("plot", "", "Also draws images a second against devices into this .png or .svg.")
flags.mark_flags_as_required(["config", "topology"])


@verb("hardware", "estimate memory and time of a step on other hardware")
def main(argv: list[str]) -> None:
    """Compiles, prints, and writes what the flags ask for."""
    import jax

    from ferjax.config import validate
    from ferjax.cost_model.aot import analyse
    from ferjax.cost_model.step_for_devices import HERE, devices_of
    from ferjax.cost_model.tables import ASSUMPTIONS, analysis_text, scaling_table, traffic_table

    framework.no_arguments(argv)
    if _PLOT.value and Path(_PLOT.value).suffix not in (".png", ".svg"):
        raise UserError(f"--plot={_PLOT.value} does not end in .png or .svg")
    outputs.check(_VERB, *(Path(name) for name in (_JSON.value, _PLOT.value) if name))
    topologies = _TOPOLOGY.value or []
    if _TRAFFIC.value and HERE in topologies:
        raise UserError("--traffic is for TPUs, whose programs name the memories; leave it out with here")
    if _STOP.value and HERE in topologies:
        raise UserError("--stop_when_scheduled is for TPUs; leave it out with here")
    if not topologies:
        raise UserError("--topology names none; it takes KIND:SHAPE such as v5e:4x4, or here")
    if HERE not in topologies:
        jax.config.update("jax_platforms", "cpu")  # the compiler must not look for a TPU
    config = _CONFIG.value
    validate(config)
    analyses = []
    for topology in topologies:
        if _BATCH.value:
            config.train.batch_size = _BATCH.value * len(devices_of(topology))
        analyses.append(analyse(config, topology, _CLASSES.value, _STOP.value))
        if len(topologies) > 1:
            logger.info("compiled for %s", topology)
    print(scaling_table(analyses) if len(analyses) > 1 else analysis_text(analyses[0]))
    print(ASSUMPTIONS)
    if _TRAFFIC.value:
        for one in analyses:
            print(traffic_table(one, _TRAFFIC.value))
    if _JSON.value:
        content = json.dumps([one.json() for one in analyses], indent=1) + "\n"
        outputs.write(_VERB, Path(_JSON.value), content.encode())
    if _PLOT.value:
        from ferjax.report import figures  # matplotlib: only for pictures
        from ferjax.report.scaling import scaling

        plot, figure = Path(_PLOT.value), scaling(analyses)
        outputs.write(_VERB, plot, figures.png(figure) if plot.suffix == ".png" else figures.svg(figure))
