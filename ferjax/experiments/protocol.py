"""Measures what habits of the field do to the number that is reported, each switched on by itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from scipy import special

from ferjax.config import needs_classes, validate
from ferjax.errors import UserError
from ferjax.experiments.runs import Runner, check_files, seed_folder, seed_runs, write_report
from ferjax.report.tables import markdown
from ferjax.report.wording import count_of, duration, percent, points
from ferjax.runs.metrics import read_metrics
from ferjax.runs.workdir import METRICS
from ferjax.scores import significance
from ferjax.training.splits import load_split

FILE = "protocol.json"
RATES = (0.333, 1.0, 3.0)
PATIENCE = 3
# Habit → what it is, for the table.
HABITS = {
    "epoch": "the epoch is chosen on test",
    "early_stop": "test decides when to stop, and which epoch",
    "rate": "the learning rate is chosen on test",
    "copies": "copies of test images stay in train",
    "best_seed": "the best of {n} seeds is reported",
    "one_seed": "one seed is reported",
}
_TEST, _VALIDATION = "test_each_validation", "validation"


def protocol(
    config: ConfigDict,
    workdir: Path | str,
    n: int,
    rates: Sequence[float] = RATES,
    patience: int = PATIENCE,
    runner: Runner | None = None,
) -> dict[str, Any]:
    """Trains one recipe with several learning rates and seeds, and with copies of test images in train.

    The honest number is that of a network which has seen no test image, with the learning rate and the epoch
    that are best on validation. Every habit changes one thing of that. Choosing needs no further training:
    all runs score test at every validation, which changes no number of theirs.

    Args:
        config: the recipe; `train.seed` is the first seed. Fields that this experiment sets itself are
            replaced.
        workdir: gets `rate-R/seed-N` and `copies/seed-N`, and `protocol.json`.
        n: the number of seeds, at least two.
        rates: factors on `schedule.learning_rate`, at least two, 1 among them.
        patience: validations without improvement before a run would be stopped early.
        runner: see `ferjax.experiments.runs`.

    Returns:
        `model`, `dataset`, `test_digest`, `seeds`, `rates`, `patience`, `copies` (test images whose copies
        stand in train), `seconds`, and `habits`: name → `honest` and `habit` (test accuracies, one a seed),
        `difference`, and its 95 % `interval`; None where the set has no copies.

    Raises:
        UserError: bad input.
        Stopped: a signal came; the same call goes on.
    """
    needs_classes(config, "protocol")
    workdir = Path(workdir)
    rates = _checked(config, n, rates, patience)
    check_files(workdir / FILE)
    runner = runner or Runner()
    configs = {rate: _honest(config, rate) for rate in rates}
    for each in configs.values():
        validate(each)
    copies = _copies(configs[1.0])
    seeds = list(range(config.train.seed, config.train.seed + n))
    results = {
        rate: runner.run_all(seed_runs(each, seeds, workdir / _folder(rate)))
        for rate, each in configs.items()
    }
    leaking = []
    if copies:
        with_copies = _honest(config, 1.0)
        with_copies.data.drop_leaks = False
        leaking = runner.run_all(seed_runs(with_copies, seeds, workdir / "copies"))
    chosen = [
        max(rates, key=lambda rate: results[rate][place]["validation"]["accuracy"])
        for place in range(len(seeds))
    ]
    honest = [results[rate][place] for place, rate in enumerate(chosen)]
    curves = [
        _curves(seed_folder(workdir / _folder(rate), seed)) for rate, seed in zip(chosen, seeds, strict=True)
    ]
    plain = [_accuracy(result) for result in honest]
    habits: dict[str, dict[str, Any] | None] = {
        "epoch": paired(plain, [result["best_on_test"]["accuracy"] for result in honest]),
        "early_stop": paired(*zip(*(stopped_early(*curve, patience) for curve in curves), strict=True)),
        "rate": paired(
            plain, [max(_accuracy(results[rate][place]) for rate in rates) for place in range(len(seeds))]
        ),
        "copies": paired([_accuracy(result) for result in results[1.0]], [_accuracy(r) for r in leaking])
        if copies
        else None,
        "best_seed": best_seed(plain),
        "one_seed": one_seed(plain),
    }
    first = honest[0]
    report = {
        "model": first["model"],
        "dataset": first["dataset"],
        "test_digest": first["split_digests"]["test"],
        "seeds": seeds,
        "rates": list(rates),
        "patience": patience,
        "copies": copies,
        "seconds": sum(result["seconds"] for each in (*results.values(), leaking) for result in each),
        "habits": habits,
    }
    write_report(workdir / FILE, report)
    return report


def _checked(config: ConfigDict, n: int, rates: Sequence[float], patience: int) -> tuple[float, ...]:
    if n < 2:
        raise UserError(f"protocol --seeds={n}: an interval over seeds needs at least two seeds")
    if config.stages:
        raise UserError("protocol chooses the learning rate of the whole run: take a recipe without stages")
    rates = tuple(dict.fromkeys(map(float, rates)))
    if len(rates) < 2 or 1.0 not in rates or not all(0 < rate < 1e6 for rate in rates):
        raise UserError(
            f"protocol --rates={','.join(f'{rate:g}' for rate in rates)}: it takes positive factors on "
            "schedule.learning_rate, at least two of them and 1 among them, such as 0.3,1,3"
        )
    if patience < 1:
        raise UserError(
            f"protocol --patience={patience}: it takes at least 1, the validations to wait for a better one"
        )
    return rates


def _honest(config: ConfigDict, rate: float) -> ConfigDict:
    """Returns the recipe with a factor on its learning rate and without copies of scored images."""
    copy = config.copy_and_resolve_references()
    copy.schedule.learning_rate = config.schedule.learning_rate * rate
    copy.data.update(drop_leaks=True, drop_validation_leaks=True)
    copy.eval.also_best_on_test = True
    copy.train.early_stop_patience = 0
    return copy


def _folder(rate: float) -> str:
    return f"rate-{rate:.3g}"


def _copies(config: ConfigDict) -> int:
    """Counts the training images whose exact pixels also stand in a scored split."""
    leaking = config.copy_and_resolve_references()
    leaking.data.drop_leaks = False
    whole, without = (len(load_split(each, "train", cache="stream")) for each in (leaking, config))
    return whole - without


def _accuracy(result: Mapping[str, Any]) -> float:
    return result["test"]["accuracy"]


def _curves(workdir: Path) -> tuple[list[float], list[float]]:
    """Reads the accuracies on validation and on test after every validation of a run."""
    rows = read_metrics(workdir / METRICS)
    found = {split: {row["step"]: row["accuracy"] for row in rows if row["split"] == split}
             for split in (_VALIDATION, _TEST)}  # fmt: skip
    steps = sorted(found[_VALIDATION].keys() & found[_TEST].keys())
    if not steps:
        raise UserError(f"{workdir / METRICS} holds no scores on test: remove {workdir} and start again")
    return [found[_VALIDATION][step] for step in steps], [found[_TEST][step] for step in steps]


def stopped_early(validation: Sequence[float], test: Sequence[float], patience: int) -> tuple[float, float]:
    """Returns the test accuracy of the epoch that is kept if validation, and if test, decides when to stop.

    Args:
        validation: accuracy after each epoch.
        test: likewise.
        patience: epochs without improvement before the run stops.

    >>> stopped_early([0.5, 0.6, 0.4, 0.4, 0.9], [0.6, 0.5, 0.7, 0.6, 0.8], patience=2)
    (0.5, 0.8)
    """
    return test[_kept(validation, patience)], test[_kept(test, patience)]


def _kept(scores: Sequence[float], patience: int) -> int:
    best = 0
    for epoch, score in enumerate(scores):
        if score > scores[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best


def paired(honest: Sequence[float], habit: Sequence[float]) -> dict[str, Any]:
    """Compares accuracies of the same seeds: the mean difference and Student's interval."""
    found = significance.paired(honest, habit)
    return {
        "honest": list(honest),
        "habit": list(habit),
        "difference": found.difference,
        "interval": list(found.student),
    }


def best_seed(honest: Sequence[float]) -> dict[str, Any]:
    """Measures what reporting the best of several seeds adds to their mean.

    The interval is of the gain that normally distributed accuracies have on average, the expected largest of
    n standard normal numbers times their standard deviation, by the χ² interval of that.
    """
    n, spread = len(honest), float(np.std(honest, ddof=1))
    low, high = (special.chdtri(n - 1, tail) for tail in (0.025, 0.975))
    ends = [spread * np.sqrt((n - 1) / chi) * expected_largest(n) for chi in (low, high)]
    return {
        "honest": [float(np.mean(honest))],
        "habit": [max(honest)],
        "difference": float(max(honest) - np.mean(honest)),
        "interval": [float(end) for end in ends],
    }


def one_seed(honest: Sequence[float]) -> dict[str, Any]:
    """Measures how far a single seed may lie from the mean: 19 of 20 further seeds lie in the interval.

    On average it adds nothing. The interval is Student's prediction interval of one more number.
    """
    n, spread = len(honest), float(np.std(honest, ddof=1))
    half = float(special.stdtrit(n - 1, 0.975)) * spread * np.sqrt(1 + 1 / n)
    mean = float(np.mean(honest))
    return {"honest": [mean], "habit": [mean], "difference": 0.0, "interval": [-half, half]}


def expected_largest(n: int) -> float:
    """Returns the mean of the largest of n standard normal numbers.

    >>> round(expected_largest(2), 3), round(expected_largest(5), 3)
    (0.564, 1.163)
    """
    x = np.linspace(-9, 9, 20_001)
    density = n * special.ndtr(x) ** (n - 1) * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return float((x * density).sum() * (x[1] - x[0]))


def table(report: Mapping[str, Any]) -> str:
    """Formats the habits as text that is also a Markdown table; accuracies in percent."""
    rows = []
    n, habits = len(report["seeds"]), report["habits"]
    for name, what in HABITS.items():
        habit = habits[name]
        title = what.format(n=n)
        if habit is None:
            rows.append([f"{title} (there are none)", "", "", "", ""])
            continue
        low, high = habit["interval"]
        rows.append(
            [
                title,
                percent(float(np.mean(habit["honest"]))),
                percent(float(np.mean(habit["habit"]))),
                points(habit["difference"]),
                f"{points(low)} to {points(high)}",
            ]
        )
    rates = ", ".join(f"{rate:.3g}" for rate in report["rates"])
    seeds = f"{report['seeds'][0]} to {report['seeds'][-1]}"
    return (
        f"{report['model']} on {report['dataset']}: what each habit does to the test accuracy, mean of {n} "
        f"seeds ({seeds}), {duration(report['seconds'])} of training\n\n"
        f"{markdown(('habit', 'honest', 'with the habit', 'difference, points', '95% (seeds)'), rows)}\n\n"
        f"Honest: no copy of a scored image in train; learning rate (× {rates}) and epoch chosen on "
        "validation; test read once. Each habit changes one thing of that, for the same seeds. Early "
        "stopping is compared with early stopping by validation, patience "
        f"{count_of(report['patience'], 'validation')}; copies ({report['copies']:,} in train) are compared "
        "at the learning rate × 1. The best seed: what it adds on average, if accuracies are normally "
        "distributed. One seed: where 19 of 20 further seeds lie around the mean."
    )
