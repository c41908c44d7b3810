"""`python -m ferjax robustness --workdir=RUN [--against=RUN2]`: measures how a network bears worse pictures.

The test images are damaged in fourteen ways, each in five strengths: noise, blur, light, JPEG, resolution,
turned heads, covered faces. Some of them are also changed adversarially within a bound. It writes index.html,
one page that opens offline, with robustness.md and robustness.json beside it. With --against, another run or
bundle is measured on the same images, and errors are also told as shares of its errors.
"""

import logging
from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.platform.machine import keep_compiled
from ferjax.pretrained.places import DEFAULT, is_shipped, locate
from ferjax.registry import verb
from ferjax.report.tables import markdown
from ferjax.robustness.corruptions import CORRUPTIONS
from ferjax.robustness.page import attack_table, corruption_table

_WORKDIR = framework.path_flag(
    "workdir", None, f"The run's folder, or a bundle, or {DEFAULT}, which ferjax ships.", required=True
)
_AGAINST = framework.path_flag("against", None, "Another run or bundle, measured on the same images.")
_DATASET = flags.DEFINE_string("dataset", "", "The data set to test on; the run's own if empty.")
_SPLIT = flags.DEFINE_string("split", "test", "The split of that set.")
_DATA_DIR = framework.path_flag(
    "data_dir", "", "Folder of the built data sets; the run's own if empty.", fetch=False
)
_COUNT = flags.DEFINE_integer("count", 500, "How many images, evenly over the split; 0: all.", 0)
_ATTACKED = flags.DEFINE_integer("attacked", 100, "How many of them are attacked adversarially; 0: none.", 0)
_KINDS = flags.DEFINE_list("kinds", [], f"Any of {', '.join(CORRUPTIONS)}; all if empty.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the damage.", 0, 2**31 - 1)
_OUT = framework.path_flag("out", "", "Folder to write to; WORKDIR/robustness if empty (faces: robustness).")

_logger = logging.getLogger(__name__)


@verb("looking closer", "measure how a network bears noise, blur, bad light and covered faces")
def main(argv: list[str]) -> None:
    """Prints the table and the page's path."""
    framework.no_arguments(argv)
    keep_compiled()
    from ferjax.robustness.run import robustness_run

    workdir = locate(_WORKDIR.value)
    out = Path(_OUT.value or ("robustness" if is_shipped(workdir) else workdir / "robustness"))
    path, measured, about = robustness_run(
        workdir,
        out,
        against=_AGAINST.value and locate(_AGAINST.value),
        dataset=_DATASET.value,
        split=_SPLIT.value,
        data_dir=_DATA_DIR.value,
        count=_COUNT.value,
        attacked=_ATTACKED.value,
        seed=_SEED.value,
        kinds=_KINDS.value,
        tell=_logger.info,
    )
    print(markdown(*corruption_table(measured.figures, about)))
    if "attacks" in measured.figures:
        print(f"\n{markdown(*attack_table(measured.figures['attacks']))}")
    print(f"\nwritten to {path}")
