"""Measures how far a run's explanations can be trusted, and writes the page."""

from collections.abc import Sequence
from pathlib import Path

from ferjax.explain.face_regions import style_of
from ferjax.explain.measured import PER_CLASS, measure
from ferjax.explain.measured_page import write_measured
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import load_for


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
        workdir: of the run.
        out: the folder.
        dataset: a set of toons; the one it was trained on if empty.
        split: of it.
        data_dir: where built sets are; the run's own if empty.
        per_class: see `measure`, as `methods`.
        methods: names in `METHODS`.

    Returns:
        The path of the page.

    Raises:
        UserError: see `measure`; or the run cannot be read.
    """
    network = open_network(workdir)
    dataset = dataset or network.config.data.name
    style_of(dataset)  # before anything is read
    source = load_for(network.config, dataset, split, data_dir or network.config.data.dir)
    return write_measured(Path(out), *measure(network, source, per_class, methods))
