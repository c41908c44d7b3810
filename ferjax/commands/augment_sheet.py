"""`python -m ferjax augment-sheet --config=FILE --out=FILE.png`: a picture of the config's augmentation.

The sheet shows originals, each option of the group `augment` that is on by itself, and all of them together.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.config import validate
from ferjax.errors import UserError
from ferjax.registry import verb
from ferjax.report.augment_sheet import sheet

_CONFIG = framework.config_flag()
_OUT = flags.DEFINE_string("out", "augment_sheet.png", "Where the picture is written, .png or .jpg.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the draws.", lower_bound=0)
flags.mark_flag_as_required("config")


@verb("data", "draw what a config's augmentation does to images")
def main(argv: list[str]) -> None:
    """Writes the picture."""
    framework.no_arguments(argv)
    out = Path(_OUT.value)
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"--out={out} does not end in .png or .jpg")
    validate(_CONFIG.value)
    picture = sheet(_CONFIG.value, _SEED.value)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(out, optimize=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    print(out)
