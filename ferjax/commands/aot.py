"""`python -m ferjax aot --topology=v5e:4x4 --config=FILE`: what a training step takes on chips you have not.

The real step is compiled for the named TPU topology, or for several, separated by commas, as a table of
scaling; no TPU is needed, only its compiler (`pip install 'ferjax[tpu-aot]'`). `--topology=here` compiles for
the devices at hand and shows the measured time beside the estimate. Kinds: v4, v5e, v5p, v6e.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.registry import verb

if TYPE_CHECKING:
    from ferjax.cost_model.aot import Analysis

_CONFIG = framework.config_flag()
_TOPOLOGY = flags.DEFINE_list("topology", None, "KIND:SHAPE such as v5e:4x4, several, or here.")
_CLASSES = flags.DEFINE_integer("num_classes", 7, "Number of classes.", lower_bound=2)
_BATCH = flags.DEFINE_integer(
    "batch_per_device", 0, "Sets train.batch_size to as much times the devices; 0: as it is.", lower_bound=0
)
_JSON = flags.DEFINE_string("json", "", "Also writes everything to this file.")
_PLOT = flags.DEFINE_string("plot", "", "Also draws images a second against devices, .png or .svg.")
flags.mark_flags_as_required(["config", "topology"])

ASSUMPTIONS = """\
Assumed: every operation at the matrix unit's peak (bfloat16 inputs, which is what TPUs make of float32 by
default), every byte at the memory's peak, collectives one after the other along a ring over one axis of the
torus in both directions, 1 µs a hop. The first time hides exchanges behind work, the second does not. No step
is faster than the first; real ones reach a part of the peak, small convolutions a small one. The input
pipeline is left out."""


@verb("hardware", "estimate memory and time of a step on other hardware")
def main(argv: list[str]) -> None:
    """Compiles, prints, and writes what is asked for."""
    import jax

    from ferjax.config import validate
    from ferjax.cost_model.aot import HERE, analyse, devices_of

    framework.no_arguments(argv)
    if _PLOT.value and Path(_PLOT.value).suffix not in (".png", ".svg"):
        raise UserError(f"--plot={_PLOT.value} does not end in .png or .svg")
    if HERE not in _TOPOLOGY.value:
        jax.config.update("jax_platforms", "cpu")  # the compiler must not look for a TPU
    config = _CONFIG.value
    validate(config)
    found = []
    for topology in _TOPOLOGY.value:
        if _BATCH.value:
            config.train.batch_size = _BATCH.value * len(devices_of(topology))
        found.append(analyse(config, topology, _CLASSES.value))
        print(_text(found[-1]) if len(_TOPOLOGY.value) == 1 else f"compiled for {topology}", flush=True)
    if len(found) > 1:
        print(table(found))
    print(ASSUMPTIONS)
    if _JSON.value:
        Path(_JSON.value).parent.mkdir(parents=True, exist_ok=True)
        Path(_JSON.value).write_text(json.dumps([one.json() for one in found], indent=1) + "\n")
    if _PLOT.value:
        from ferjax.report.scaling import scaling  # matplotlib: only for pictures

        scaling(found).savefig(_PLOT.value)


def _text(one: "Analysis") -> str:
    """One analysis as lines."""
    lines = [
        f"{one.chip.name} × {one.devices}, mesh {one.mesh}, batch {one.batch_size:,}, "
        f"{one.parameters:,} parameters",
        f"memory a device   {one.memory / 1e6:12,.1f} MB = state and batch {one.arguments / 1e6:,.1f} + "
        f"temporary {one.temporary / 1e6:,.1f} + program {one.code / 1e6:,.1f}"
        + (f"; it has {one.chip.memory / 1e9:,.0f} GB" if one.chip.memory else ""),
        f"work a device     {one.flops / 1e9:12,.1f} GFLOP, {one.traffic / 1e6:,.1f} MB read and written",
        "exchanges a step",
    ]
    sums = defaultdict(lambda: [0, 0, 0, 0.0])
    for exchange, times in one.exchanges.items():
        row = sums[exchange.kind, exchange.devices]
        row[0] += times
        row[1] += times * exchange.size
        row[2] = max(row[2], exchange.size)
        row[3] += times * exchange.sent
    for (kind, devices), (times, size, largest, sent) in sorted(sums.items()):
        lines.append(
            f"  {kind:18s} between {devices:4d}: {times:5d} × , {size / 1e6:10,.3f} MB, largest "
            f"{largest / 1e6:,.3f}, sent {sent / 1e6:,.3f} MB a device"
        )
    if not sums:
        lines.append("  none")
    best = one.estimate
    lines.append(
        f"step at best      {best.hidden * 1e3:12,.3f} ms hidden, {best.exposed * 1e3:,.3f} exposed = work "
        f"{best.compute * 1e3:,.3f}, memory {best.memory * 1e3:,.3f}, exchange {best.exchange * 1e3:,.3f}"
    )
    if one.measured:
        lines.append(
            f"step measured     {one.measured * 1e3:12,.3f} ms, {best.hidden / one.measured:.0%} of the best"
        )
    return "\n".join(lines)


def table(found: "list[Analysis]") -> str:
    """Scaling as a Markdown table; efficiency is images a second and device over the first row's."""
    rows = [
        "| topology | devices | batch | memory a device, MB | GFLOP | sent, MB | step, ms (hidden–exposed) | "
        "images/s (exposed–hidden) | efficiency |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    first = found[0].batch_size / found[0].estimate.exposed / found[0].devices
    for one in found:
        sent = sum(exchange.sent * times for exchange, times in one.exchanges.items())
        slow, fast = one.batch_size / one.estimate.exposed, one.batch_size / one.estimate.hidden
        rows.append(
            f"| {one.topology} | {one.devices} | {one.batch_size:,} | {one.memory / 1e6:,.0f} | "
            f"{one.flops / 1e9:,.0f} | {sent / 1e6:,.0f} | "
            f"{one.estimate.hidden * 1e3:,.2f}–{one.estimate.exposed * 1e3:,.2f} | {slow:,.0f}–{fast:,.0f} | "
            f"{slow / one.devices / first:.0%} |"
        )
    return "\n".join(rows)
