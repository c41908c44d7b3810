"""`python -m ferjax evaluate --workdir=RUN [--dataset=NAME]`: a run's best weights on any data set.

Classes that the set lacks get probability zero. Classes that the network lacks are left out of the scoring
(--extra=drop) or count as another class (--extra=map, by --map). The scores are also written to
RUN/evaluations/NAME-SPLIT.json, what the network said about every example to NAME-SPLIT.npz, and the same as
predict.csv and ground_truth.csv to the folder NAME-SPLIT.
"""

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.inference.score_run import evaluate_run
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report.tables import probability_lines, text_table
from ferjax.runs.predictions import place

_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder.", required=True)
_DATASET = flags.DEFINE_string("dataset", "", "The set to score on; the one it was trained on if empty.")
_SPLIT = flags.DEFINE_string("split", "test", "Which split of it.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of the built sets; the run's own if empty.")
_EXTRA = flags.DEFINE_enum("extra", "drop", ["drop", "map"], "What becomes of classes the network lacks.")
_MAP = flags.DEFINE_list(
    "map", ["contempt:disgust"], "With --extra=map: CLASS:COUNTS_AS, separated by commas."
)


@verb("looking closer", "score a run's best weights on any data set")
def main(argv: list[str]) -> None:
    """Prints the per-class table."""
    framework.no_arguments(argv)
    keep_compiled()
    merges = _pairs(_MAP.value) if _EXTRA.value == "map" else {}
    found = evaluate_run(_WORKDIR.value, _DATASET.value, _SPLIT.value, _DATA_DIR.value, merges)
    print(
        f"{found['model']} of {_WORKDIR.value}, trained on {found['trained_on']}, at step {found['step']:,}, "
        f"on {found['dataset']} {found['split']}\n{text_table(found['test'])}"
    )
    if found["masked"]:
        print(f"masked, for the set has none: {', '.join(found['masked'])}")
    for name, count in found["dropped"].items():
        print(f"not scored, for the network lacks the class: {count:,} {name}")
    for name, known in found["merged"].items():
        print(f"counted as {known}: {name}")
    print(probability_lines(found["probabilities"]))
    path = place(_WORKDIR.value, found["dataset"], found["split"], "json")
    print(f"written to {path}; the predictions to {path.with_suffix('')}/predict.csv")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = dict(text.partition(":")[::2] for text in texts)
    if not all(pairs) or not all(pairs.values()):
        raise UserError(f"--map={','.join(texts)} is not CLASS:COUNTS_AS, separated by commas")
    return pairs
