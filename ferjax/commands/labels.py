"""`python -m ferjax labels RUN…|SET`: estimates how many labels are wrong, and lists which.

RUN is a finished run, whose recipe is trained on folds of its set; several runs are those of the folds, which
are then not trained again. SET is a built set, with --config=RECIPE or with --probabilities=FILE.
--split=train looks at that split alone and trains on no other, so that a score on test with the labels that
it suggests stays honest. Writes index.html, one page that opens offline, with labels.json, probabilities.npz
and relabel.csv, the list for people who relabel. What is trained is kept, and the same command goes on. See
docs/labels.md.
"""

from pathlib import Path

from absl import flags
from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.commands import framework
from ferjax.data import builders
from ferjax.data import folds as folds_of
from ferjax.errors import UserError
from ferjax.experiments.runs import until_stopped
from ferjax.files import file_name, user_path
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report.tables import markdown
from ferjax.report.wording import percent
from ferjax.runs.workdir import CONFIG

_CONFIG = framework.config_flag()
_PROBABILITIES = framework.path_flag(
    "probabilities", "", "An .npz file with out-of-sample probabilities of SET, made elsewhere."
)
_FOLDS = flags.DEFINE_integer("folds", None, "Folds to train; 5, or as many as the runs have.", 2, 1000)
_SPLIT = flags.DEFINE_enum(
    "split", None, folds_of.SPLITS, "Look at this stored split alone; the others are kept out of training."
)
_DATA_DIR = framework.path_flag(
    "data_dir", "", "Folder of the built sets; the run's or recipe's own if empty.", fetch=False
)
_RELABEL = framework.path_flag("relabel", "", "With --probabilities: a relabel file that gives the labels.")
_SHOWN = flags.DEFINE_integer("shown", 48, "Suspects that get pictures.", 1, 2000)
_OUT = framework.path_flag("out", "", "Folder to write to; RUN/labels or runs/labels-… if empty.")


@verb("data", "estimate how many labels are wrong, and list which")
def main(argv: list[str]) -> int:
    """Prints the estimate by pair of classes and the paths of the page and the list."""
    if len(argv) < 2:
        raise UserError("name a run or a built set: python -m ferjax labels RUN|SET")
    keep_compiled()
    return until_stopped(lambda: _look(argv[1:]))


def _look(names: list[str]) -> None:
    from ferjax.labels import folds, run

    split = _SPLIT.value or ""
    alone = [split] if split else []
    if any(_is_run(name) for name in names):
        _refuse("a run has its own", config=_CONFIG, probabilities=_PROBABILITIES, relabel=_RELABEL)
        runs = dict(map(folds.finished, names))
        folds.of_one_recipe(runs)
        first = next(iter(runs))
        out = Path(_OUT.value or first / file_name("labels", *alone))
        written = run.from_folds(_at(runs[first]), runs, out, _FOLDS.value, _SHOWN.value, split)
    elif len(names) > 1:
        raise UserError(
            f"{names[0]} is no run (it holds no {CONFIG}): several names are those of finished runs"
        )
    elif _PROBABILITIES.value:
        _refuse("probabilities are there already", config=_CONFIG, folds=_FOLDS)
        config = _of_set(ferjax_config.defaults(), names[0])
        config.data.relabel = _RELABEL.value
        out = Path(_OUT.value or f"runs/{file_name('labels', names[0], *alone)}")
        written = run.from_file(config, user_path(_PROBABILITIES.value), out, _SHOWN.value, split)
    elif _CONFIG.value is not None:
        _refuse("set --config.data.relabel", relabel=_RELABEL)
        config = _of_set(_CONFIG.value, names[0])
        ferjax_config.validate(config)
        out = Path(_OUT.value or f"runs/{file_name('labels', config.model.name, names[0], *alone)}")
        written = run.from_folds(config, {}, out, _FOLDS.value, _SHOWN.value, split)
    else:
        _check_set(names[0])
        raise UserError(
            f"{names[0]} is a set: name the recipe that is trained on its folds with --config=RECIPE, or "
            "probabilities that are there with --probabilities=FILE; or name a finished run instead"
        )
    _print(written)


def _is_run(name: str) -> bool:
    return (user_path(name) / CONFIG).exists() or (user_path(name) / "checkpoints").is_dir()


def _check_set(name: str) -> None:
    """Raises UserError if `name`, which is no run, is no data set either."""
    try:
        builders.builder_class(name)
    except UserError as error:
        raise UserError(f"{name} is no run (it holds no {CONFIG}), and {error}") from None


def _of_set(config: ConfigDict, name: str) -> ConfigDict:
    _check_set(name)
    config = _at(config)
    config.data.name = name
    return config


def _at(config: ConfigDict) -> ConfigDict:
    """Returns a copy with the folder of sets that the user named."""
    config = config.copy_and_resolve_references()
    if _DATA_DIR.value:
        config.data.dir = _DATA_DIR.value
    return config


def _refuse(why: str, **holders: flags.FlagHolder) -> None:
    for name, holder in holders.items():
        if holder.present:
            raise UserError(f"--{name} changes nothing here: {why}")


def _print(written) -> None:
    numbers = written.numbers
    from ferjax.labels.page import cautions, is_bound, pair_table

    low, high = (percent(end, 1) for end in numbers["noise"]["interval"])
    print(
        f"{numbers['dataset']}: {'at most ' if is_bound(numbers) else ''}about "
        f"{percent(numbers['noise']['share'], 1)} of {numbers['examples']:,} "
        f"labels are wrong (95% {low} to {high}): {numbers['flagged']['total']:,} suspects\n"
    )
    print(markdown(*pair_table(numbers)))
    for text in cautions(numbers):
        print(f"\n{text}")
    if kept := numbers["relabel"]:
        print(f"\n{kept['replaced']:,} labels are those of {kept['file']}, SHA-256 {kept['digest']}")
    print(f"\nthe list for people who relabel: {written.suspects}\nwritten to {written.page}")
