"""The suite's page: tables and pictures of the newest figures, between two marks of a Markdown file."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ferjax.report.figures import legend_above, new_figure, png, quiet
from ferjax.report.palette import LIGHT, SERIES
from ferjax.report.tables import markdown

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
OURS, EAGER = "ferjax", "torch eager"
WIDE = 20  # values that differ by more than this many times have a logarithmic axis
Run = dict[str, Any]
Case = dict[str, Any]


def write(history: Path, page: Path) -> None:
    """Puts the newest figures of each device into the page, and its pictures beside it.

    Args:
        history: a JSON object a line, as the suite appends them.
        page: what stands outside the two marks stays; without the file or the marks they come at the end.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    text = page.read_text() if page.exists() else "# Benchmarks\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    sections = "\n\n".join(_section(run, page) for run in newest(history))
    page.write_text(f"{before}{BEGIN}\n\n{sections}\n\n{END}{after}")


def newest(history: Path) -> list[Run]:
    """Reads the newest figures of each device, see `write`."""
    return _newest(list(map(json.loads, history.read_text().splitlines())))


def _newest(runs: Sequence[Run]) -> list[Run]:
    """Of each device and versions the newest figure of every case, for a run may have measured a part.

    Figures of older versions are left out. `date` is of the newest run, `since` of the oldest whose figures
    are left, and ceilings are the newest, of every precision.
    """
    newest: dict[str, Run] = {}
    for run in runs:
        before = newest.get(run["device"], run)
        if before["versions"] != run["versions"]:
            before = run
        today = [{**case, "date": run["date"][:10]} for case in run["cases"]]
        earlier = before["cases"] if before is not run else []
        cases = {_case_key(case): case for case in [*earlier, *today]}
        newest[run["device"]] = {
            **run,
            "ceilings": {**before["ceilings"], **run["ceilings"]},
            "cases": list(cases.values()),
            "since": min([case["date"] for case in cases.values()], default=run["date"][:10]),
        }
    return list(newest.values())


def _section(run: Run, page: Path) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    ceilings = "; ".join(
        f"{precision} {found['flops'] / 1e9:,.0f} GFLOP/s" for precision, found in run["ceilings"].items()
    )
    copy = max(found["bytes"] for found in run["ceilings"].values())
    parts = [
        f"## {run['device']}\n\n{_days(run)}, Python {run['python']}, {versions}. Ceilings, measured: "
        f"matrix product {ceilings}; copy {copy / 1e9:,.1f} GB/s."
    ]
    for what, table in (
        ("training", _beside),
        ("inference", _beside),
        ("input", _input),
        ("first step", _first_step),
    ):
        cases = [case for case in run["cases"] if case["what"] == what and "failed" not in case]
        cases.sort(key=_case_key)
        if cases:
            parts.append(f"### {_TITLES[what]}\n\n{table(cases, run)}")
    failed = [case for case in run["cases"] if "failed" in case]
    if failed:
        parts.append("Failed: " + "; ".join(f"{_name(case)}: {case['failed']}" for case in failed) + ".")
    for name, draw in (("times", times), ("batches", batches)):
        figure = draw(run["cases"])
        if figure:
            file = page.with_name(f"{page.stem}_{_slug(run['device'])}_{name}.png")
            file.write_bytes(png(figure))
            parts.append(f"![{_ALT[name]}]({file.name})")
    return "\n\n".join(parts)


_TITLES = {
    "training": "A training step",
    "inference": "Inference",
    "input": "Real input against one batch that lies on the device",
    "first step": "From starting the process to the end of the first training step",
}
_ALT = {
    "times": "How many times as fast as PyTorch each network is",
    "batches": "Images a second and memory against the batch",
}


def _slug(device: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def _name(case: Case) -> str:
    return f"{case['what']} {case['model']} {case['size']}² batch {case['batch']} {case['precision']}"


def _case_key(case: Case) -> tuple[Any, ...]:
    return case["what"], case["model"], case["size"], case["precision"], case["batch"]


def _days(run: Run) -> str:
    last = run["date"][:10]
    return last if run["since"] == last else f"{run['since']} to {last}"


def _case(case: Case) -> list[str]:
    return [case["model"], f"{case['size']}²", str(case["batch"]), case["precision"]]


_CASE = ["network", "image", "batch", "precision"]


def _ms(seconds: dict[str, float]) -> str:
    return f"{1e3 * seconds['median']:,.1f} ({1e3 * seconds['min']:,.1f}–{1e3 * seconds['max']:,.1f})"


def _beside(cases: Sequence[Case], run: Run) -> str:
    """How many times as fast as each side of PyTorch, and what of the ceilings is reached."""
    others = list(dict.fromkeys(name for case in cases for name in case["sides"] if name != OURS))
    head = [*_CASE, "ms (range)", "images/s", *(f"× {name}" for name in others)]
    rows = []
    for case in cases:
        seconds, ceiling = case["sides"][OURS]["median"], run["ceilings"][case["precision"]]
        sides = [case["sides"].get(name) for name in others]
        rows.append([
            *_case(case),
            _ms(case["sides"][OURS]),
            f"{case['batch'] / seconds:,.0f}",
            *(f"{side['median'] / seconds:.2f}" if side else "" for side in sides),
            f"{case['flops'] / 1e9:,.1f}",
            f"{case['flops'] / seconds / ceiling['flops']:.0%}",
            f"{case['bytes'] / seconds / ceiling['bytes']:.0%}",
            f"{case['memory'] / 2**20:,.0f}",
        ])  # fmt: skip
    return markdown([*head, "GFLOP", "of product", "of copy", "MiB"], rows)


def _input(cases: Sequence[Case], run: Run) -> str:
    del run
    names = list(dict.fromkeys(name for case in cases for name in case["ratios"]))
    rows = [
        [*_case(case), *(f"{case['ratios'][name]:.3f}" if name in case["ratios"] else "" for name in names)]
        for case in cases
    ]
    return markdown([*_CASE, *names], rows)


def _first_step(cases: Sequence[Case], run: Run) -> str:
    del run
    rows = []
    for case in cases:
        eager = next((side["peak_memory_bytes"] for side in case["sides"] if side["run"] == EAGER), None)
        for side in case["sides"]:
            peak = side["peak_memory_bytes"]
            share = f"{peak / eager:.2f}" if eager and side["run"] != EAGER else ""
            seconds = (f"{side['cold']:.1f}", f"{side['warm']:.1f}")
            rows.append([*_case(case), side["run"], *seconds, f"{peak / 2**20:,.0f}", share])
    return markdown([*_CASE, "side", "cold s", "warm s", "peak MiB", "of eager's"], rows)


def times(cases: Sequence[Case]) -> Figure | None:
    """How many times as fast as each side of PyTorch, at the largest batch of each network."""
    figure, kinds = None, [("training", "Training step"), ("inference", "Inference")]
    whole = [case for case in cases if "failed" not in case]
    found = {kind: _largest([case for case in whole if case["what"] == kind]) for kind, _ in kinds}
    if not any(found.values()):
        return None
    rows = max(map(len, found.values()))
    figure = new_figure(9.0, 1.5 + 0.34 * rows)
    for axes, (kind, title) in zip(figure.subplots(1, 2), kinds, strict=True):
        shown = found[kind][::-1]
        others = list(dict.fromkeys(name for case in shown for name in case["sides"] if name != OURS))
        for number, name in enumerate(others):
            have = [(row, case) for row, case in enumerate(shown) if name in case["sides"]]
            ratios = [case["sides"][name]["median"] / case["sides"][OURS]["median"] for _, case in have]
            style = {"color": LIGHT[SERIES[number % len(SERIES)]], "linestyle": "", "marker": "o"}
            axes.plot(ratios, [row for row, _ in have], markersize=5, label=name, **style)
        axes.axvline(1, color=LIGHT["muted"], linewidth=1)
        axes.set_yticks(range(len(shown)), [f"{case['model']}, batch {case['batch']}" for case in shown])
        quiet(axes, title, "its time / ferjax's time", grid="x", lines=len(others))
        axes.set_xlim(left=0)
        legend_above(axes, columns=1)
    return figure


def _largest(cases: Sequence[Case]) -> list[Case]:
    """Of each network and precision the case of the largest batch."""
    largest: dict[tuple, Case] = {}
    for case in sorted(cases, key=lambda case: case["batch"]):
        largest[case["model"], case["size"], case["precision"]] = case
    return [largest[key] for key in sorted(largest)]


def batches(cases: Sequence[Case]) -> Figure | None:
    """Images a second and memory of a training step against the batch, of networks with several; or None."""
    lines: dict[str, list[Case]] = {}
    for case in cases:
        if case["what"] == "training" and "failed" not in case:
            lines.setdefault(f"{case['model']}, {case['precision']}", []).append(case)
    lines = {
        name: sorted(line, key=lambda case: case["batch"]) for name, line in lines.items() if len(line) > 1
    }
    if not lines:
        return None
    figure = new_figure(9.0, 3.6 + 0.12 * len(lines))
    kinds: tuple[tuple[str, Callable[[Case], float]], ...] = (
        ("Images a second, training", lambda case: case["batch"] / case["sides"][OURS]["median"]),
        ("Memory of the step, MiB", lambda case: case["memory"] / 2**20),
    )
    for axes, (title, value) in zip(figure.subplots(1, 2), kinds, strict=True):
        for number, (name, line) in enumerate(lines.items()):
            style = {"color": LIGHT[SERIES[number % len(SERIES)]], "marker": "o", "markersize": 4}
            axes.plot([case["batch"] for case in line], [value(case) for case in line], label=name, **style)
        axes.set_xscale("log", base=2)
        values = [value(case) for line in lines.values() for case in line]
        if max(values) > WIDE * min(values):
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.1 * max(values))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_minor_formatter("")
        quiet(axes, title, "batch", lines=(len(lines) + 1) // 2)
        legend_above(axes, columns=2)
    return figure
