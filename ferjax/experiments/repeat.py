"""Trains the same recipe with several seeds: the mean of each score and how far it moves."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ferjax import files
from ferjax.errors import UserError
from ferjax.experiments.runs import Runner, check_files, seed_runs, write_report
from ferjax.report.tables import markdown
from ferjax.report.wording import duration, percent
from ferjax.scores import significance

SCORES = ("accuracy", "mean_class_accuracy", "macro_f1")
FILE = "repeat.json"
_FIELDS = ("model", "dataset", "test_digest", "seeds", "scores", "seconds")


def repeat(config: ConfigDict, workdir: Path | str, n: int, runner: Runner | None = None) -> dict[str, Any]:
    """Trains a recipe with the seeds `train.seed`, `train.seed` + 1, … and writes `repeat.json`.

    Finished runs are read, not trained again. All share one compilation.

    Args:
        config: the recipe; `train.seed` is the first seed.
        workdir: gets a folder for each seed.
        n: the number of seeds, at least two.
        runner: to share compiled steps with other experiments, or the runs with other workers; a new one
            if None.

    Returns:
        `model`, `dataset`, `test_digest`, `seeds`, `seconds` of all runs, `scores` (name → test scores, one a
        seed) and `summary` (name → mean, std, z and student intervals).

    Raises:
        UserError: bad input.
        Stopped: a signal came; the same call goes on.
    """
    if n < 2:
        raise UserError(f"repeat -n {n}: an interval over seeds needs at least two seeds")
    check_files(Path(workdir) / FILE)
    runner = runner or Runner()
    seeds = list(range(config.train.seed, config.train.seed + n))
    results = runner.run_all(seed_runs(config, seeds, workdir))
    scores = {name: [result["test"][name] for result in results] for name in SCORES}
    report = {
        "model": results[0]["model"],
        "dataset": results[0]["dataset"],
        "test_digest": results[0]["split_digests"]["test"],
        "seeds": seeds,
        "seconds": sum(result["seconds"] for result in results),
        "scores": scores,
        "summary": {name: significance.seed_summary(values)._asdict() for name, values in scores.items()},
    }
    write_report(Path(workdir) / FILE, report)
    return report


def read_repeat(workdir: Path | str) -> dict[str, Any]:
    """Reads the `repeat.json` of a folder.

    Raises:
        UserError: the file is missing, or not what `repeat` writes.
    """
    path = Path(workdir) / FILE
    if not path.exists():
        raise UserError(f"{workdir} holds no finished repeat: it has no {FILE}; run python -m ferjax repeat")
    report = files.read_json(path)
    whole = isinstance(report, dict) and all(field in report for field in _FIELDS)
    if not whole or any(len(report["scores"].get(name, ())) != len(report["seeds"]) for name in SCORES):
        raise UserError(f"{path} is damaged; run the repeat again, its finished runs are kept")
    return report


def table(report: dict[str, Any]) -> str:
    """Formats the summary as text that is also a Markdown table, in percent."""
    rows = []
    for name, values in report["scores"].items():
        summary = significance.seed_summary(values)
        rows.append(
            [
                name.replace("_", " "),
                percent(summary.mean),
                percent(summary.std),
                _ends(summary.z),
                _ends(summary.student),
                f"{percent(min(values))} to {percent(max(values))}",
            ]
        )
    seeds, n = report["seeds"], len(report["seeds"])
    return (
        f"{report['model']} on {report['dataset']}, {n} seeds ({seeds[0]} to {seeds[-1]}), "
        f"{duration(report['seconds'])} of training\n\n"
        + markdown(("test", "mean", "std", "95% (z = 1.96)", f"95% (Student, n = {n})", "range"), rows)
    )


def _ends(interval: significance.Interval) -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"
