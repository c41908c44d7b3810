"""Measures a run's or bundle's robustness, beside another's on the same images, and writes the page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import load_for
from ferjax.inference.trained import Trained
from ferjax.platform import outputs
from ferjax.robustness import page
from ferjax.robustness.measure import Measured, chosen_images, measure, relative


def robustness_run(
    workdir: Path | str,
    out: Path,
    *,
    against: Path | str | None = None,
    dataset: str = "",
    split: str = "test",
    data_dir: str = "",
    count: int = 500,
    attacked: int = 100,
    seed: int = 0,
    kinds: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Path, Measured, dict[str, Any]]:
    """Measures and writes `index.html`, `robustness.md`, `robustness.json` and the curves.

    Args:
        workdir: a run's folder, or a bundle.
        out: the folder to write to.
        against: another run or bundle to compare with; None: none.
        dataset: the set to test on; the run's own if empty.
        split: of that set.
        data_dir: the folder of built sets; the run's own if empty.
        count: images, evenly over the split; 0: all.
        attacked: how many of them are attacked; 0: none.
        seed: of what the corruptions draw.
        kinds: names of corruptions; all if empty.
        tell: takes a line of progress.

    Returns:
        The page's path, what was measured, and what `ferjax.robustness.page.write` was told about it.

    Raises:
        UserError: a network cannot be read, or has other classes than the set.
    """
    networks = {str(path): open_network(path) for path in (workdir, against) if path is not None}
    outputs.check(page.VERB, *page.written_files(outputs.make_folder(out)))
    if against is not None and len(networks) < 2:
        raise UserError(f"--against={against} is the same network; name another")
    network = networks[str(workdir)]
    if network.imported and not dataset:
        raise UserError(f"{workdir} was imported, and has no data set of its own: name one with --dataset")
    dataset = dataset or network.config.data.name
    measured = {}
    for name, each in networks.items():
        tell(f"measuring {each.config.model.name} of {name}")
        measured[name] = measure(
            each, _images(each, network, dataset, split, data_dir, count), seed, attacked, kinds
        )
    own = measured[str(workdir)]
    about: dict[str, Any] = {
        "title": f"How much {network.config.model.name} bears",
        "subtitle": f"{network.origin.capitalize()}, tested on {dataset} {split}; {workdir}",
        "model": network.config.model.name,
        "dataset": dataset,
        "split": split,
        "label_names": list(network.label_names),
    }
    if against is not None:
        other = measured[str(against)]
        about |= {
            "baseline": networks[str(against)].config.model.name,
            "relative": relative(own.figures, other.figures),
            "baseline_figures": other.figures,
        }
    return page.write(out, own, about), own, about


def _images(each: Trained, first: Trained, dataset: str, split: str, data_dir: str, count: int) -> Any:
    """Reads the same images for every network, each at its own size."""
    source = load_for(each.config, dataset, split, data_dir or first.config.data.dir)
    return chosen_images(source, each, count)
