"""Formats the analyses of a training step as text."""

from collections import defaultdict
from collections.abc import Sequence

from ferjax.cost_model.aot import Analysis

ASSUMPTIONS = """\
Assumed: every operation at the matrix unit's peak (bfloat16 inputs, which is what TPUs make of float32 by
default), every byte of the main memory, tiles filled up, at its peak, those of on-chip memory at no cost. The
time at best hides exchanges behind work. That by the schedule runs the program's instructions one after the
other, each for as long as the longer of its operations and its bytes, and waits for what is left of an
exchange where the program does: what lies between start and end hides it, of a fused one only what is fused
with it. Exchanges follow each other, each over all axes of the torus if all devices take part, in both
directions where an axis is a ring, 1 µs a hop. Real steps reach a part of the peaks, small convolutions a
small one. The input pipeline is left out."""

_SHOWN = 5  # exchanges, the longest


def analysis_text(one: Analysis) -> str:
    """Formats one analysis as lines."""
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
    if one.schedule:
        plan = one.schedule
        lines.append(
            f"step by schedule  {plan.seconds * 1e3:12,.3f} ms = work {plan.work * 1e3:,.3f}, waits for "
            f"exchanges {plan.exposed * 1e3:,.3f}"
        )
        shown = sorted(plan.exchanges, key=lambda each: -each.times * each.seconds)[:_SHOWN]
        lines += [
            f"  {each.name:32s} {each.times:5d} × , {each.seconds * 1e3:,.3f} ms, beside work of "
            f"{each.beside * 1e3:,.3f}, waits {each.exposed * 1e3:,.3f}"
            for each in shown
        ]
    if one.measured:
        lines.append(
            f"step measured     {one.measured * 1e3:12,.3f} ms, {best.hidden / one.measured:.0%} of the best"
        )
    return "\n".join(lines)


def scaling_table(analyses: Sequence[Analysis]) -> str:
    """Formats scaling as a Markdown table; efficiency is images a second and device over the first row's."""
    rows = [
        "| topology | devices | batch | memory a device, MB | GFLOP | MB moved | MB sent | ms at best | "
        "ms by schedule | of it waiting | images/s | efficiency |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    first = analyses[0].batch_size / analyses[0].step / analyses[0].devices
    for one in analyses:
        sent = sum(exchange.sent * times for exchange, times in one.exchanges.items())
        waiting = one.schedule.exposed if one.schedule else one.estimate.exchange
        speed = one.batch_size / one.step
        rows.append(
            f"| {one.topology} | {one.devices} | {one.batch_size:,} | {one.memory / 1e6:,.0f} | "
            f"{one.flops / 1e9:,.0f} | {one.traffic / 1e6:,.0f} | {sent / 1e6:,.0f} | "
            f"{one.estimate.hidden * 1e3:,.2f} | {one.step * 1e3:,.2f} | {waiting * 1e3:,.2f} | "
            f"{speed:,.0f} | {speed / one.devices / first:.0%} |"
        )
    return "\n".join(rows)


def traffic_table(one: Analysis, rows: int) -> str:
    """Formats the instructions that move most bytes through main memory as a Markdown table.

    Args:
        one: the analysis of a program that names the memories of its arrays.
        rows: the most instructions to list; the others are summed up.
    """
    lines = [
        f"{one.topology}: {one.traffic / 1e6:,.0f} MB a step through main memory",
        "",
        "| read, MB | written, MB | instruction | of |",
        "|---|---|---|---|",
    ]
    listed, others = one.accesses[:rows], one.accesses[rows:]
    for access in listed:
        lines.append(
            f"| {access.read / 1e6:,.1f} | {access.written / 1e6:,.1f} | {access.name} | {access.operation} |"
        )
    if others:
        read, written = (sum(getattr(each, side) for each in others) for side in ("read", "written"))
        lines.append(f"| {read / 1e6:,.1f} | {written / 1e6:,.1f} | {len(others):,} others | |")
    return "\n".join(lines)
