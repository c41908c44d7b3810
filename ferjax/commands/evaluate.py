"""`python -m ferjax evaluate --workdir=RUN [--dataset=NAME]`: scores a run's best weights on any data set.

Classes that the set lacks get probability zero. Examples of classes that the network lacks are not scored
(--extra=drop) or count as another class (--extra=map, by --map). The scores are also written to
RUN/evaluations/NAME-SPLIT.json, the prediction for every example to NAME-SPLIT.npz, and the same as
predict.csv and ground_truth.csv to the folder NAME-SPLIT. Where the set knows attributes of people and
pictures, such as gender or light, every score is also told by group, and which gaps are real.
"""

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.inference.score_run import evaluate_run
from ferjax.inference.trained import IMPORTED
from ferjax.platform.console import printable
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report import groups
from ferjax.report.affect_tables import affect_text
from ferjax.report.tables import probability_lines, text_table
from ferjax.runs.predictions import place
from ferjax.scores.groups import SMALLEST

_WORKDIR = framework.path_flag("workdir", None, "The run's folder.", required=True)
_DATASET = flags.DEFINE_string("dataset", "", "The data set to score on; the one it was trained on if empty.")
_SPLIT = flags.DEFINE_string("split", "test", "The split of that set.")
_DATA_DIR = framework.path_flag(
    "data_dir", "", "Folder of the built data sets; the run's own if empty.", fetch=False
)
_EXTRA = flags.DEFINE_enum(
    "extra", "drop", ["drop", "map"], "drop or map: examples of classes that the network lacks."
)
_MAP = flags.DEFINE_list(
    "map", ["contempt:disgust"], "With --extra=map: CLASS:COUNTS_AS, separated by commas."
)
_ATTRIBUTES = flags.DEFINE_list(
    "attributes", [], "Attributes of the set to score by, such as gender,age; all that it has if empty."
)
_SMALLEST = flags.DEFINE_integer(
    "smallest_group",
    SMALLEST,
    "Images that a group needs to be compared; smaller ones are pooled or marked.",
    2,
)


@verb("looking closer", "score a run's best weights on any data set")
def main(argv: list[str]) -> None:
    """Prints the per-class table."""
    framework.no_arguments(argv)
    keep_compiled()
    if _MAP.present and _EXTRA.value != "map":
        raise UserError(f"--map={','.join(_MAP.value)} changes nothing without --extra=map")
    merges = _pairs(_MAP.value) if _EXTRA.value == "map" else {}
    scores = evaluate_run(
        _WORKDIR.value,
        _DATASET.value,
        _SPLIT.value,
        _DATA_DIR.value,
        merges,
        _ATTRIBUTES.value,
        _SMALLEST.value,
    )
    imported = scores["trained_on"] == IMPORTED
    print(
        f"{scores['model']} of {_WORKDIR.value}, {'' if imported else 'trained on '}{scores['trained_on']}, "
        f"at step {scores['step']:,}, on {scores['dataset']} {scores['split']}\n{text_table(scores['test'])}"
    )
    if scores["masked"]:
        print(f"masked, because the set has no example: {printable(', '.join(scores['masked']))}")
    for name, count in scores["dropped"].items():
        print(f"not scored, because the network lacks the class: {count:,} {printable(name)}")
    for name, known in scores["merged"].items():
        print(printable(f"counted as {known}: {name}"))
    print(probability_lines(scores["probabilities"]))
    if scores["affect"]:
        print(affect_text(scores["affect"], scores["dataset"]))
    if "groups" in scores:
        print(f"\n{groups.text(scores['groups'])}\n")
    path = place(_WORKDIR.value, scores["dataset"], scores["split"], "json")
    print(f"written to {path}; the predictions to {path.with_suffix('')}/predict.csv")


def _pairs(texts: list[str]) -> dict[str, str]:
    """Splits CLASS:COUNTS_AS."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, _, counts_as = text.partition(":")
        pairs[name] = counts_as
    if not all(pairs) or not all(pairs.values()):
        raise UserError(f"--map={','.join(texts)} is not CLASS:COUNTS_AS, separated by commas")
    return pairs
