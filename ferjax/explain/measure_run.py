"""Measures how far a run's explanations can be trusted, and writes the page."""

from collections.abc import Sequence
from pathlib import Path

from ferjax.explain.face_regions import style_of
from ferjax.explain.measure import PER_CLASS, measure
from ferjax.explain.measure_page import measured_files, write_measured
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import load_for
from ferjax.platform import outputs


def measure_run(
    workdir: Path | str,
    out: Path | str,
    *,
    dataset: str = "",
    split: str = "test",
    data_dir: str = "",
    per_class: int = PER_CLASS,
    methods: Sequence[str] | None = None,
) -> Path:
    """Measures a run's explanations and writes `measured.html`, `.md`, `.json` and the pictures to a folder.

    Args:
        workdir: the run's folder, or a bundle.
        out: the folder to write.
        dataset: a set of toons; the one that the run was trained on if empty.
        split: a split of that set.
        data_dir: the folder of built sets; the run's own if empty.
        per_class: images of each class at most.
        methods: names in `METHODS`; all of them if None.

    Returns:
        The path of the page.

    Raises:
        UserError: the run cannot be read, or nothing can be measured, see `measure`.
    """
    outputs.check("explain", *measured_files(Path(out)))
    network = open_network(workdir)
    dataset = dataset or network.config.data.name
    style_of(dataset)  # before anything is read
    source = load_for(network.config, dataset, split, data_dir or network.config.data.dir)
    return write_measured(Path(out), *measure(network, source, per_class, methods))
