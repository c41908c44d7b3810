"""`python -m ferjax tune --config=FILE --space=FILE --trials=N`: searches for the best values of fields.

Trials are trained on train and compared on validation, or with --folds by cross-validation on all but test;
none opens test. The best one is trained anew with seeds that no trial used, and each is tested once. Writes
WORKDIR/index.html, one page that opens offline, tune.md, tune.json, and best.py, the best config as a file
that --config takes. The same command goes on where it stopped, and divides the work if it is started several
times, on any machine that sees the workdir. See docs/tune.md.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.experiments.runs import until_stopped
from ferjax.files import file_name
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report.tables import markdown
from ferjax.tune.search import PRUNERS, SAMPLERS, Settings
from ferjax.tune.space import read

_CONFIG = framework.config_flag()
_SPACE = framework.path_flag(
    "space", None, "A TOML file of the fields to search and their values.", required=True
)
_TRIALS = flags.DEFINE_integer("trials", None, "Trials of the search.", 1, 1_000_000)
_HOURS = flags.DEFINE_float(
    "hours", None, "Hours of training, of all workers together, after which no trial begins.", 0
)
_SAMPLER = flags.DEFINE_enum("sampler", "tpe", SAMPLERS, "How values are drawn.")
_PRUNER = flags.DEFINE_enum("pruner", "median", PRUNERS, "Which trials are ended early, by validation.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of what the sampler draws.", 0, 2**31 - 1)
_TRIAL_SEEDS = flags.DEFINE_integer(
    "trial_seeds", 1, "Seeds of each trial: train.seed, train.seed + 1, …; its value is their mean.", 1, 100
)
_FOLDS = flags.DEFINE_integer(
    "folds",
    0,
    "Inner folds: a trial is trained so many times, each time judged on another part of all but test; its "
    "value is their mean. 0: it is judged on validation.",
    0,
    1000,
)
_FINAL_SEEDS = flags.DEFINE_integer(
    "final_seeds", 5, "Further seeds with which the winner is trained and tested; 0: search only.", 0, 1000
)
_STORAGE = flags.DEFINE_string(
    "storage",
    "",
    "The study's journal, or postgresql://USER@HOST/DATABASE; WORKDIR/study.journal if empty.",
)
_STUDY = flags.DEFINE_string("study", "ferjax", "The study's name in a database that holds several.")
_WORKDIR = framework.path_flag("workdir", "", "Folder of the search; runs/tune-MODEL-DATASET if empty.")
flags.mark_flag_as_required("config")


@verb("several runs", "search for the best values of config fields, on validation")
def main(argv: list[str]) -> int:
    """Searches, and prints the best values, the winner's test scores and the page's path."""
    framework.no_arguments(argv)
    keep_compiled()
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/{file_name('tune', config.model.name, config.data.name)}")
    space = read(_SPACE.value, config)
    settings = Settings(_SAMPLER.value, _PRUNER.value, _SEED.value, _TRIALS.value, _HOURS.value)

    def work() -> None:
        from ferjax.tune import page, record, run  # what training needs

        report = run.tune(
            config,
            space,
            workdir,
            settings,
            storage=_STORAGE.value,
            name=_STUDY.value,
            trial_seeds=_TRIAL_SEEDS.value,
            final_seeds=_FINAL_SEEDS.value,
            folds=_FOLDS.value,
        )
        print(f"\n{record.statement(report)}\n\n{markdown(*page.best_table(report))}")
        if report["tested"]:
            print(f"\n{markdown(*page.test_table(report['tested']))}")
        print(f"\nthe best config: {workdir / page.BEST}\nwritten to {workdir / 'index.html'}")

    return until_stopped(work)
