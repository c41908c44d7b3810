"""Whole training runs in ferjax and in PyTorch on the toons: one plot of curves, and seeds as samples.

    python -m benchmarks.parity_curves [--seeds 3] [--epochs 1] [--size 32] [--json FILE] [--plot FILE]

Both get the same initial weights, images, order, learning rates and SGD, in float32 and without augmentation.
First without dropout: the runs start out equal and part by rounding alone, so a pair of one seed should be no
further apart than two seeds are, and not much further than a run from itself with all initial weights moved
by one unit in the last place. Then with dropout, whose random numbers the frameworks draw differently:
there the seeds' final accuracies are compared as two samples. A run that is finished is kept in `--runs`: the
same command goes on where it was stopped, while ferjax's code is the same.
"""

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks import command_line, measure
from benchmarks.parity_training import Curve, Run, train_in_ferjax, train_in_torch
from configs.resemotenet import get_config
from ferjax import config as ferjax_config
from ferjax import data
from ferjax.cluster.consistency import code_digest
from ferjax.files import write_atomic
from ferjax.platform import process
from ferjax.platform.machine import keep_compiled
from ferjax.report.figures import legend_above, new_figure, png, quiet
from ferjax.report.palette import LIGHT

PACKAGES = ("jax", "jaxlib", "flax", "optax", "torch", "numpy", "scipy")
TRAINERS = {"ferjax": train_in_ferjax, "PyTorch": train_in_torch}
NUDGED = "ferjax, nudged"  # the same run, one unit in the last place of every weight away
COLOURS = {"ferjax": LIGHT["accent"], "PyTorch": LIGHT["best"], NUDGED: LIGHT["muted"]}
DASHES = {"ferjax": "-", "PyTorch": (0, (3, 2)), NUDGED: (0, (1, 1))}
# Rates of the runs with dropout: the paper's.
DROPOUT = {"stem_dropout": 0.2, "head_dropout": 0.5}
WINDOW = 10  # steps that a drawn loss is the mean of
POINTS_SHOWN = 8  # per cent that the axis of final accuracies spans at least: small differences look small

Curves = dict[tuple[str, int], Curve]


def train_all(args: argparse.Namespace, dropout: dict[str, float]) -> Curves:
    """Every framework and seed, taken in turns; without dropout the nudged runs too."""
    trainers: dict[str, Callable[[Run], Curve]] = dict(TRAINERS)
    if not any(dropout.values()):
        trainers[NUDGED] = functools.partial(train_in_ferjax, nudge=float(np.finfo(np.float32).eps))
    load = functools.partial(data.load, "toons/avataaars", image_size=args.size)
    train, held_out = load("train"), load("test")
    curves: Curves = {}
    for seed in range(args.seeds):
        config = get_config()
        config.augment.flip = False
        config.model.update(**dropout)
        config.data.image_size = args.size
        for field, value in (("train.seed", seed), ("train.epochs", args.epochs)):
            ferjax_config.override(config, field, value)
        steps = args.steps or round(args.epochs * len(train) / config.train.batch_size)
        run = Run(config, train, held_out, steps, max(steps // args.points, 1))
        for name, trainer in trainers.items():
            kind = "dropout" if any(dropout.values()) else "none"
            kept = (
                Path(args.runs)
                / code_digest()
                / f"{kind}-{args.size}px-{steps}-{args.points}-{name}-{seed}.json"
            )
            if not kept.exists():
                write_atomic(kept, json.dumps(trainer(run)).encode())
            curve = curves[name, seed] = Curve(*json.loads(kept.read_text()))
            print(
                f"{name:14s} seed {seed}: {100 * curve.accuracies[-1][1]:.2f} % after {steps} steps",
                flush=True,
            )
    return curves


def gaps(curves: Curves, seeds: int) -> dict[str, float]:
    """Mean distance of smoothed losses: of two frameworks, of a run and its nudged self, of two seeds."""
    smooth = {key: smoothed(curve.losses) for key, curve in curves.items()}

    def distance(first: tuple[str, int], second: tuple[str, int]) -> float:
        return float(np.abs(smooth[first] - smooth[second]).mean())

    across = [distance(("ferjax", seed), ("PyTorch", seed)) for seed in range(seeds)]
    nudged = [distance(("ferjax", seed), (NUDGED, seed)) for seed in range(seeds)]
    pairs = [(a, b) for a in range(seeds) for b in range(a)]
    between = [distance((name, a), (name, b)) for name in TRAINERS for a, b in pairs]
    return {
        "frameworks": float(np.mean(across)),
        "nudged": float(np.mean(nudged)),
        "seeds": float(np.mean(between)) if between else float("nan"),
    }


def smoothed(losses: list[float]) -> np.ndarray:
    """Running means over `WINDOW` steps."""
    window = min(WINDOW, len(losses))
    return np.convolve(losses, np.ones(window) / window, mode="valid")


def first_steps(curves: Curves, count: int = 10) -> list[float]:
    """Relative difference of the frameworks' losses in the first steps of seed 0."""
    ours, theirs = (np.array(curves[name, 0].losses[:count]) for name in TRAINERS)
    return (np.abs(ours - theirs) / np.abs(theirs)).tolist()


def two_samples(curves: Curves, seeds: int) -> dict[str, float]:
    """Means, deviations and the p value of Welch's test of the final accuracies."""
    final = {name: [curves[name, seed].accuracies[-1][1] for seed in range(seeds)] for name in TRAINERS}
    found = {f"{name} mean": float(np.mean(values)) for name, values in final.items()}
    if seeds > 1:
        found |= {f"{name} deviation": float(np.std(values, ddof=1)) for name, values in final.items()}
        found["p"] = float(stats.ttest_ind(*final.values(), equal_var=False).pvalue)
    return found


def plot(without: Curves, with_dropout: Curves, seeds: int) -> bytes:
    """Three panels: losses and accuracies without dropout, final accuracies with it."""
    figure = new_figure(12.5, 3.4)
    figure.get_layout_engine().set(wspace=0.06)
    losses, accuracies, final = figure.subplots(1, 3)
    for (name, seed), curve in without.items():
        style = {
            "color": COLOURS[name],
            "linestyle": DASHES[name],
            "linewidth": 1.8 if seed == 0 else 0.9,
            "alpha": 1 if seed == 0 else 0.5,
            "label": name if seed == 0 else None,
        }
        smooth = smoothed(curve.losses)
        losses.plot(np.arange(len(smooth)) + len(curve.losses) - len(smooth) + 1, smooth, **style)
        steps, values = zip(*curve.accuracies, strict=True)
        accuracies.plot(steps, 100 * np.array(values), **style)
    for place, name in enumerate(TRAINERS):
        values = [100 * with_dropout[name, seed].accuracies[-1][1] for seed in range(seeds)]
        final.plot([place] * seeds, values, "o", color=COLOURS[name], alpha=0.7)
        final.plot([place - 0.2, place + 0.2], [np.mean(values)] * 2, color=COLOURS[name], linewidth=2)
    final.set_xticks(range(len(TRAINERS)), list(TRAINERS))
    final.set_xlim(-0.6, len(TRAINERS) - 0.4)
    low, high = final.get_ylim()
    more = max(POINTS_SHOWN - (high - low), 0) / 2
    final.set_ylim(low - more, high + more)
    quiet(losses, f"Training loss, no dropout, {seeds} seeds", "step; the thick lines are seed 0")
    quiet(accuracies, "Test accuracy, no dropout, %", "step; the thick lines are seed 0")
    quiet(final, "Final test accuracy with dropout, %", "every seed, and the mean")
    legend_above(losses)
    legend_above(accuracies)
    return png(figure)


def main() -> None:
    """Trains, prints the comparison, draws and writes it."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=0, help="of each run; 0: as many as the epochs have")
    parser.add_argument("--size", type=int, default=32, help="image height and width")
    parser.add_argument("--points", type=int, default=8, help="accuracies of each run")
    parser.add_argument("--runs", default="build/parity_curves", help="folder of finished runs")
    parser.add_argument("--json", default="benchmarks/results/parity_curves.json")
    parser.add_argument("--plot", default="docs/parity_curves.png")
    args = parser.parse_args()
    process.prepare()
    keep_compiled()  # runs of other seeds are the same programs
    print("without dropout")
    without = train_all(args, dict.fromkeys(DROPOUT, 0.0))
    print("with dropout")
    with_dropout = train_all(args, DROPOUT)

    apart, samples = gaps(without, args.seeds), two_samples(with_dropout, args.seeds)
    early = first_steps(without)
    print(
        f"\nlosses of the first {len(early)} steps: within {max(early):.1e}, the first within {early[0]:.1e}"
    )
    print(
        f"mean distance of losses: {apart['frameworks']:.4f} between frameworks with one seed, "
        f"{apart['nudged']:.4f} between a run and its nudged self, "
        f"{apart['seeds']:.4f} between seeds of one framework"
    )
    print("with dropout:", ", ".join(f"{name} {value:.4f}" for name, value in samples.items()))
    rows = [
        {"dropout": dropout, "framework": name, "seed": seed, **curve._asdict()}
        for dropout, curves in ((False, without), (True, with_dropout))
        for (name, seed), curve in curves.items()
    ]
    summary = {"first_steps": early, "loss_distance": apart, "final_accuracy_with_dropout": samples}
    measure.record("parity_curves", [summary, *rows], PACKAGES, args.json)
    write_atomic(args.plot, plot(without, with_dropout, args.seeds))
    print(f"wrote {args.plot}")


if __name__ == "__main__":
    main()
