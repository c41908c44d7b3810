"""`python -m ferjax unpack ARCHIVE DIR [--rerun]`: checks a pack, unpacks it, trains its runs again.

Every file must be as the pack's list says, with its size and SHA-256; whatever else an archive may hold is
refused, and nothing is written then. With --rerun each run is trained again in DIR/rerun, from its own
config, on the data set that is built here, and compared with what was recorded: bit for bit on the same
platform, elsewhere within a tolerance. The exit code is 0 if all are reproduced, 1 if one is not. Given
again, the same command goes on.
"""

import logging

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.registry import verb

_RERUN = flags.DEFINE_bool("rerun", False, "Train the runs again and compare them with what was recorded.")
_RUN = flags.DEFINE_string("run", "", "With --rerun: the one run to train again; all if empty.")
_DATA_DIR = framework.path_flag("data_dir", "", "With --rerun: folder of the built data sets.")
_TOLERANCE = flags.DEFINE_float(
    "tolerance", None, "With --rerun: what scores may differ by elsewhere; the pack's own if left out.", 0, 1
)
_DIFFERENT = 1  # exit code

_logger = logging.getLogger(__name__)


@verb("several runs", "check a pack, and train its runs again")
def main(argv: list[str]) -> int:
    """Prints what was unpacked, and how the runs compare; the exit code says whether they are reproduced."""
    if len(argv) != 3:
        raise UserError("name an archive and a folder: python -m ferjax unpack ARCHIVE DIR")
    for flag in (_RUN, _DATA_DIR, _TOLERANCE):
        if flag.value != flag.default and not _RERUN.value:
            raise UserError(f"--{flag.name} is for --rerun; give that too")
    from ferjax.pack.archive import MANIFEST
    from ferjax.pack.unpack import unpack

    pack = unpack(user_path(argv[1]), user_path(argv[2]))
    print(f"{len(pack.manifest['files'])} files are as packed, in {pack.folder}")
    print(f"SHA-256 of {MANIFEST}: {pack.digest}")
    if not _RERUN.value:
        return 0
    from ferjax.experiments.runs import until_stopped
    from ferjax.pack.rerun import rerun, table
    from ferjax.platform.machine import keep_compiled

    keep_compiled()
    codes = []

    def work() -> None:
        compared = rerun(pack, _DATA_DIR.value, _TOLERANCE.value, _RUN.value, _logger.info)
        print(f"\n{table(compared)}")
        codes.append(0 if all(one.reproduced for one in compared.values()) else _DIFFERENT)

    return until_stopped(work) or codes[0]
