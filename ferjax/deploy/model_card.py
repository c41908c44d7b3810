"""Writes a model card in Markdown: intended use, training data, scores and limits of a network.

Source: Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019). Every number is from the run's own
`result.json`; the card says what was not measured.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ferjax
from ferjax.data import builders
from ferjax.inference.trained import Trained
from ferjax.report import groups
from ferjax.report.affect_tables import COMPUTED, is_computed
from ferjax.report.markdown import plain, results
from ferjax.report.tables import markdown
from ferjax.report.wording import count_of, percent, points
from ferjax.scores.confusion import accuracy_interval, most_confused

_CONFUSIONS = 5
# The limits of a data set's pictures, by the first part of its name.
_DOMAINS = {
    "toons": "It has never seen a photograph: its accuracy on photographs of people was not measured, "
    "and is likely low.",
    "ferg": "It has only seen six rendered characters, and no photograph.",
    "ckplus": "It has only seen expressions posed in a laboratory, from the front.",
    "jaffe": "It has only seen ten women who posed, in grey, from the front.",
    "taiwan": "It has only seen posed expressions.",
    "fer2013": "It has only seen grey pictures of 48×48 pixels from the web, cropped closely. Their labels "
    "are uncertain: people name 65 ± 5 % of the pictures as the set does (Goodfellow et al. 2013).",
}
_USE = """\
To sort pictures of faces by the expression that they show, where a person looks at what comes out: research,
teaching, the comparison of networks, sorting one's own pictures. The pictures should be like those that it
was trained on."""
_NO_USE = """\
**Not for decisions about people**: hiring, schooling, policing, borders, insurance, credit, health. A face
shows an expression, which is not what somebody feels; people, cultures and moments differ. The European
Union forbids emotion recognition at work and in education, but for medical and safety reasons
(Regulation 2024/1689, article 5)."""


def model_card(
    network: Trained,
    result: dict[str, Any] | None,
    notes: Mapping[str, str] | None = None,
    by_group: Mapping[str, Any] | None = None,
) -> str:
    """Writes the whole card.

    Args:
        network: the network that the card describes.
        result: the content of the run's `result.json`; None if the run is not finished.
        notes: the heading of a section → Markdown that is added at its end.
        by_group: the scores by group, see `ferjax.scores.groups.measure`; None where no group is known.

    Raises:
        ValueError: the card has no such section.
    """
    name, dataset = network.config.model.name, network.config.data.name
    title = f"{plain(name)}, {network.origin}" if network.imported else f"{plain(name)} on {plain(dataset)}"
    parts = [
        f"# {title}",
        f"A network that names the expression of a face: {_listed(network.label_names)}. "
        f"Written by ferjax {ferjax.__version__}.",
        "## Intended use",
        _USE,
        _NO_USE,
        "## What it is",
        _facts(network),
        "## Data",
        _data(network, result),
        "## How good it is",
        *_scores(network, result),
        *(["### By group", groups.text(by_group, plain)] if by_group else []),
        "## Limits",
        _limits(network, result, by_group),
        "## How it was trained",
        _training(network, result),
    ]
    for heading, note in (notes or {}).items():
        start = parts.index(f"## {heading}")
        end = next((i for i in range(start + 1, len(parts)) if parts[i].startswith("## ")), len(parts))
        parts.insert(end, note)
    return "\n\n".join(parts) + "\n"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(plain, names))


def _facts(network: Trained) -> str:
    parameters = sum(np.size(leaf) for leaf in jax.tree.leaves(network.variables["params"]))
    side = network.input_size
    colours = "grey (colours are turned into their luma)" if network.grey else "RGB"
    crops = network.config.eval.crops
    rows = [
        ["architecture", f"{plain(network.config.model.name)}, {parameters:,} parameters"],
        ["takes", f"faces cut out and stretched to {side}×{side}, uint8, {colours}"],
        ["returns", f"a probability for each of {len(network.label_names)} classes{_and_affect(network)}"],
        [
            "sees",
            {"none": "the whole face", "flip": "the face and its mirror image"}.get(crops, f"{crops} crops"),
        ],
        ["resized by", network.config.data.resize],
    ]
    return markdown(("", ""), rows)


def _and_affect(network: Trained) -> str:
    return "" if network.affect_head is None else ", and valence and arousal, about −1 to 1 each"


def _data(network: Trained, result: dict[str, Any] | None) -> str:
    data = network.config.data
    if network.imported:
        return (
            "It was imported from another program: what it was trained on, and how it was chosen, is not "
            "recorded."
        )
    description = plain(builders.builder_class(data.name).DESCRIPTION)
    if mixture := data.get("mixture", ""):
        lines = [f"Trained on a mixture, `{mixture}`; chosen and tested on `{data.name}`. {description}"]
    else:
        lines = [f"Trained on `{data.name}`. {description}"]
    if data.train_fraction < 1:
        lines.append(f"Only {percent(data.train_fraction, 0)} of the training images were used.")
    if source := network.config.init["from"]:
        lines.append(f"It began from the weights `{Path(source).name}`.")
    if result is not None:
        digests = ", ".join(f"{split} `{digest[:16]}`" for split, digest in result["split_digests"].items())
        lines.append(f"Digests of the splits: {digests}.")
    left_out = [
        f"images of {split} whose exact pixels are also in {others}"
        for split, others, dropped in (
            ("train", "validation or test", data.drop_leaks),
            ("validation", "test", data.drop_validation_leaks),
        )
        if dropped
    ]
    if left_out:
        lines.append(f"Left out: {'; '.join(left_out)}.")
    lines.append("The best step was chosen on validation; test was read once, at the end.")
    return "\n".join(lines)


def _scores(network: Trained, result: dict[str, Any] | None) -> list[str]:
    if network.imported:
        return ["**Not measured** here: the network was imported. ferjax evaluate measures it on a data set."]
    if result is None:
        return ["**Not measured**: the run is not finished, and has not been tested."]
    return [part.replace("## ", "### ", 1) if part.startswith("## ") else part for part in results(result)]


def _limits(
    network: Trained, result: dict[str, Any] | None, by_group: Mapping[str, Any] | None = None
) -> str:
    items = []
    if domain := _DOMAINS.get(network.config.data.name.partition("/")[0]):
        items.append(domain)
    if result is not None:
        items += _weaknesses(result)
    if network.temperature is None:
        items.append("Its probabilities are not calibrated.")
    if network.affect_head is not None:
        items.append(
            "Its valence and arousal are guesses at what annotators wrote of a face, not at what somebody "
            "feels, and come without a measure of how sure they are."
        )
        if is_computed(network.config.data.name):
            items.append(COMPUTED)
    if network.unsure is not None:
        below, accuracy, coverage = (percent(share, 0) for share in network.unsure)
        items.append(
            f"It is unsure of a face whose most likely class has less than {below}. That threshold was "
            f"chosen on validation: of the other faces there, {coverage} of all, {accuracy} were right."
        )
    if by_group:
        items += _gaps(by_group)
    if network.sets is not None:
        coverage, smallest = network.sets
        items.append(
            "`predict` also names every class whose probability before calibration is at least "
            f"{smallest:.3g}. On pictures like those of validation such sets hold the actual class "
            f"{percent(coverage, 0)} of the time; on others nothing is promised."
        )
    if network.unlike is not None:
        items.append(
            "`predict` also tells which pictures are unlike the faces that it was trained on, by the "
            f"contrasts and edges in them: on validation {percent(1 - network.unlike.kept, 0)} of the faces. "
            "It misses some pictures that are none, and says it of blurred, enlarged and dark faces."
        )
    items += [
        "Every face is given one of its classes, even a face that shows none of them.",
        f"Not measured: whether it is equally good for {_other_groups(by_group)}; faces from the side, "
        "covered, blurred or very small; other cameras and light.",
    ]
    return "\n".join(f"- {item}" for item in items)


def _gaps(by_group: Mapping[str, Any]) -> list[str]:
    """Lists the gaps of the accuracy between groups that are real."""
    return [
        f"It is not equally good for every {plain(name)}: {plain(gap['low'])} has {points(gap['gap'], 1)} "
        f"points less accuracy than {plain(gap['high'])}."
        for name, attribute in by_group["attributes"].items()
        if (gap := attribute["gaps"].get("accuracy")) and gap["real"]
    ]


def _other_groups(by_group: Mapping[str, Any] | None) -> str:
    known = by_group["attributes"] if by_group else {}
    *others, last = [name for name in ("age", "gender", "skin colour") if name not in known] or [
        "other group"
    ]
    return f"every {', '.join(others)} and {last}" if others else f"every {last}"


def _weaknesses(result: dict[str, Any]) -> list[str]:
    """Lists the weakest class with its uncertainty, the main confusions, and classes without a test image."""
    test, names = result["test"], result["label_names"]
    counts = np.array(test["confusion_matrix"])
    tested = [row for row in test["per_class"] if row["support"]]
    worst = min(tested, key=lambda row: row["recall"])
    index = [row["name"] for row in test["per_class"]].index(worst["name"])
    hits, missed = counts[index, index], counts[index].sum() - counts[index, index]
    low, high = accuracy_interval(np.array([[hits, missed], [0, 0]]))
    items = [
        f"Weakest class: {percent(worst['recall'], 0)} of {plain(worst['name'])} is recognised "
        f"(95% interval {percent(low, 0)} to {percent(high, 0)}, {count_of(worst['support'], 'image')})."
    ]
    confusions = [
        f"{plain(names[row])} for {plain(names[column])} ({counts[row, column]} of {counts[row].sum()})"
        for row, column in most_confused(counts, _CONFUSIONS)
    ]
    if confusions:
        items.append(f"It takes {', '.join(confusions)}.")
    if absent := [plain(row["name"]) for row in test["per_class"] if not row["support"]]:
        items.append(f"Never tested, because the test split has no image of: {', '.join(absent)}.")
    return items


def _training(network: Trained, result: dict[str, Any] | None) -> str:
    config = network.config
    if network.imported:
        return "Not recorded: the network was imported."
    rows = [
        ["optimizer", f"{config.optimizer.name}, schedule {config.schedule.name}"],
        ["batch", f"{config.train.batch_size:,} in {config.train.precision}"],
        ["seed", str(config.train.seed)],
    ]
    if result is not None:
        device, versions = result["device"], result["versions"]
        rows += [
            [
                "epochs",
                f"{result['epochs']:.1f}, {result['steps']:,} steps; these weights: {result['best_step']:,}",
            ],
            ["device", f"{device['count']} × {plain(device['kind'])}"],
            ["date", result["date"]],
            ["versions", ", ".join(f"{name} {versions[name]}" for name in ("ferjax", "jax", "flax"))],
        ]
    return (
        markdown(("", ""), rows)
        + "\n\nEvery field of its configuration is in the run's and the bundle's `config.json`."
    )
