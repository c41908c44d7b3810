"""Trains ResEmoteNet without one part or another: the ablations C1 to C6 of Roy et al. (2024), table IV."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from ferjax.config import validate
from ferjax.errors import UserError
from ferjax.experiments.runs import Runner, check_files, seed_runs, write_report
from ferjax.report.tables import markdown
from ferjax.report.wording import duration, number, percent, points
from ferjax.scores import significance
from ferjax.training import setup

FILE = "ablate.json"


class Variant(NamedTuple):
    """A row of the paper's table IV.

    Attributes:
        without: the model's option of that name, see `ferjax.models.resemotenet`.
        accuracy: the paper's claim for RAF-DB, in percent.
        loss: the paper's claim for RAF-DB, which it gives in percent.
    """

    without: str
    accuracy: float
    loss: float


VARIANTS = {
    "C1": Variant("", 94.76, 3.73),
    "C2": Variant("se", 94.18, 16.83),
    "C3": Variant("conv64", 83.51, 7.19),
    "C4": Variant("conv64,conv128", 88.27, 5.32),
    "C5": Variant("rb256", 75.39, 10.2),
    "C6": Variant("rb256,rb512", 82.77, 8.8),
}


def ablate(
    config: ConfigDict,
    names: Sequence[str],
    workdir: Path | str,
    n: int = 1,
    runner: Runner | None = None,
) -> dict[str, Any]:
    """Trains variants of ResEmoteNet with the seeds `train.seed`, … and writes `ablate.json`.

    All variants are built before the first is trained. Finished runs are read.

    Args:
        config: the recipe of all variants; `train.seed` is the first seed.
        names: keys of `VARIANTS`.
        workdir: gets a folder for each variant, with one for each seed in it.
        n: how many seeds, at least one.
        runner: to share compiled steps with other experiments, or the runs with other workers; a new one
            if None.

    Returns:
        `dataset`, `test_digest`, `seeds`, `seconds` of all runs, and `variants`: name → `without`,
        `parameters`, `accuracy` and `loss` on test (one a seed), and the paper's `claimed` scores.

    Raises:
        UserError: bad input.
        Stopped: a signal came; the same call goes on.
    """
    if n < 1:
        raise UserError(f"ablate --seeds={n}: at least one seed is needed")
    check_files(Path(workdir) / FILE)
    runner = runner or Runner()
    configs = {name: variant_config(config, name) for name in _known(names)}
    for each in configs.values():
        validate(each)
        setup.build_model(each, num_classes=2)
    seeds = list(range(config.train.seed, config.train.seed + n))
    all_runs = [run for name, each in configs.items() for run in seed_runs(each, seeds, Path(workdir) / name)]
    remaining = iter(runner.run_all(all_runs))
    variants, results = {}, []
    for name, each in configs.items():
        results = [next(remaining) for _ in seeds]
        variants[name] = {
            "without": VARIANTS[name].without,
            "parameters": parameters(each, len(results[0]["label_names"])),
            "accuracy": [result["test"]["accuracy"] for result in results],
            "loss": [result["test"]["loss"] for result in results],
            "seconds": sum(result["seconds"] for result in results),
            "claimed": {"accuracy": VARIANTS[name].accuracy / 100, "loss": VARIANTS[name].loss / 100},
        }
    report = {
        "dataset": results[0]["dataset"],
        "test_digest": results[0]["split_digests"]["test"],
        "seeds": seeds,
        "seconds": sum(variant["seconds"] for variant in variants.values()),
        "variants": variants,
    }
    write_report(Path(workdir) / FILE, report)
    return report


def _known(names: Sequence[str]) -> list[str]:
    """Drops repeated names; raises UserError for an unknown one."""
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not names:
        raise UserError(f"ablations are {', '.join(VARIANTS)}, not {', '.join(unknown) or 'none of them'}")
    return names


def variant_config(config: ConfigDict, name: str) -> ConfigDict:
    """Returns a copy of a recipe with one variant's network.

    Raises:
        UserError: the recipe is for another network, or leaves out a part itself.
    """
    given = config.model.name
    if given == "resemotenet" and config.model.get("without"):
        given = f"resemotenet without {config.model.without}"
    if given != "resemotenet":
        raise UserError(
            f"ablate takes a recipe of the whole resemotenet, such as configs/resemotenet.py, not of {given}"
        )
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.model.without = VARIANTS[name].without
    return config


def parameters(config: ConfigDict, num_classes: int) -> int:
    """Counts the weights of a recipe's network without computing any."""
    model = setup.build_model(config, num_classes)
    images = jnp.zeros((1, *setup.image_shape(config)))
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def table(report: dict[str, Any]) -> str:
    """Formats our numbers beside the paper's, as text that is also a Markdown table."""
    variants = report["variants"]
    base = variants.get("C1")
    rows = []
    for name, variant in variants.items():
        rows.append(
            [
                name,
                variant["without"].replace(",", ", ") or "nothing",
                number(variant["parameters"]),
                _accuracy(variant["accuracy"]),
                points(_mean(variant["accuracy"]) - _mean(base["accuracy"])) if base else "",
                number(_mean(variant["loss"]), 3),
                percent(variant["claimed"]["accuracy"]),
                percent(variant["claimed"]["loss"]),
            ]
        )
    head = (
        "config", "without", "parameters", "test accuracy", "− C1, points", "test loss",
        "claimed accuracy", "claimed loss",
    )  # fmt: skip
    seeds = report["seeds"]
    which = f"seeds {seeds[0]} to {seeds[-1]}, 95% (Student)" if len(seeds) > 1 else f"seed {seeds[0]}"
    return (
        f"ResEmoteNet on {report['dataset']}, {which}, {duration(report['seconds'])} of training\n\n"
        f"{markdown(head, rows)}\n\n"
        "Claimed: RAF-DB, table IV of the paper. ferjax did not reproduce these numbers, and the paper does "
        "not say how the network was wired without a part."
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _accuracy(values: Sequence[float]) -> str:
    if len(values) == 1:
        return percent(values[0])
    summary = significance.seed_summary(values)
    return f"{percent(summary.mean)} ± {100 * (summary.student.high - summary.mean):.2f}"
