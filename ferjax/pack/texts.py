"""The texts of a pack: what it is and how to use it, and what its readers may do with it."""

from collections.abc import Mapping
from typing import Any

from ferjax.data.builders import catalogue
from ferjax.errors import UserError
from ferjax.pack.citations import data_set_source, network_source
from ferjax.report.markdown import plain
from ferjax.report.tables import markdown
from ferjax.report.wording import overlap, percent

_TOONS = (
    "drawn by ferjax from Pablo Stanley's *Avataaars* (free for personal and commercial use) and *Open "
    "Peeps* (CC0 1.0), as the package dicebear-styles distributes them; ferjax draws the set again, so that "
    "nothing has to be passed on"
)
_LICENSED = (
    "licensed by its authors: ask them for it, and build it with `ferjax prepare`; see docs/data_sets.md of "
    "ferjax"
)
_OWN = "not one of ferjax's data sets: ask whoever made the pack"


def readme(about: Mapping[str, Any], checkpoints: bool) -> str:
    """Makes README.md: the runs, how to check them, how to train them again, what may differ."""
    rows, digests, cautions = [], [], []
    for name, run in about["runs"].items():
        rows.append(
            [
                plain(name), plain(run["model"]), plain(run["dataset"]), str(run["seed"]),
                *(percent(run["test"][score]) for score in run["test"]),
            ]
        )  # fmt: skip
        digests += [
            [plain(name), split, digest] for split, digest in sorted(run["split_digests"].items()) if digest
        ]
        cautions += [
            f"- {plain(name)} cannot be trained again from this pack alone, for it lacks {plain(need)}."
            for need in run["needs"]
        ]
        if seen := overlap(run["overlap"]):
            cautions.append(f"- The scores of {plain(name)} are too good: {seen}.")
        if differing := _other_versions(run["versions"], about["environment"]["versions"]):
            cautions.append(
                f"- {plain(name)} was trained with other versions than `requirements.txt` lists: {differing}."
            )
        if not run["machine"]:
            cautions.append(
                f"- {plain(name)} did not record its machine: whether it is trained again on the same one is "
                "not known, and it is compared within the tolerance."
            )
    head = ("run", "network", "set", "seed", "accuracy", "mean class", "macro F1")
    weights = "; `checkpoints/`, the weights" if checkpoints else ""
    within = f"{100 * about['tolerance']:g}"
    notes = "\n\n## Cautions\n\n" + "\n".join(cautions) if cautions else ""
    return f"""# A reproducibility pack of ferjax

{markdown(head, rows)}

Scores are on test, of the step that validation chose.

## Check it

```sh
ferjax unpack ARCHIVE FOLDER
```

refuses the archive unless every file is as `pack.json` lists it, with its size and SHA-256.

## Train it again

```sh
python -m venv .venv && .venv/bin/pip install -r requirements.txt   # and ferjax, from its repository
.venv/bin/ferjax unpack ARCHIVE FOLDER --rerun --data_dir=BUILT
```

`BUILT` is the folder of the built data sets. A set whose images or labels are others is refused before
anything is trained. On the same platform (device, processor, cores, versions) the numbers must be the same,
bit for bit; elsewhere accuracy, mean class accuracy and macro F1 must lie within {within} points of the
recorded ones. The exit code is 0 if they do, 1 if they do not. A single run, by hand:

```sh
ferjax train --config=runs/NAME/config.json --config.data.dir=BUILT --workdir=NEW
```

## What is in it

- `runs/NAME/`: `config.json`, `metrics.jsonl`, `result.json`, the predictions in `evaluations/`, the page
  `report/index.html`{weights}.
- `requirements.txt`: every package of the environment that made the pack.
- `CITATION.bib`: what to cite. `LICENCES.md`: what may be passed on.

## Data

| run | split | SHA-256 of images and labels |
|---|---|---|
{chr(10).join(f"| {' | '.join(row)} |" for row in digests)}{notes}
"""


def _other_versions(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {version}"
        for name, version in first.items()
        if name in second and second[name] != version and version
    )


def licences(runs: Mapping[str, Mapping[str, Any]], checkpoints: bool, evaluations: bool) -> str:
    """Makes LICENCES.md: of the data sets, the predictions, the weights, and ferjax."""
    sets = sorted({name for run in runs.values() for name in run["data_sets"]})
    networks = sorted({run["model"] for run in runs.values()})
    lines = [f"- **{plain(name)}**{_source(data_set_source(name))}: {_terms(name)}." for name in sets]
    parts = [
        "# Licences",
        "This pack holds no picture of any data set. Its pages were written without them.",
        "## Data sets",
        "\n".join(lines),
        "## Networks",
        "\n".join(f"- **{plain(name)}**{_source(network_source(name))}" for name in networks),
    ]
    if evaluations:
        parts += [
            "## Predictions",
            "`evaluations/` holds, for each example, its place in the split, its label and, where the set "
            "has them, attributes and valence and arousal: they are the set's annotations, under its "
            "licence. `ferjax pack --nopredictions` leaves them out.",
        ]
    if checkpoints:
        parts += [
            "## Weights",
            "`checkpoints/` holds weights that were learnt from the data sets above. Some of their licences "
            "say what may be done with such weights.",
        ]
    parts += ["## ferjax", "Apache-2.0."]
    return "\n\n".join(parts) + "\n"


def _source(text: str) -> str:
    return f" ({plain(text)})" if text else ""


def _terms(name: str) -> str:
    try:
        builder = None if ":" in name else catalogue.builder_class(name)
    except UserError:
        builder = None
    if builder is None or name.partition("/")[0] == "folder":
        return _OWN
    return _LICENSED if catalogue.is_licensed(builder) else _TOONS
