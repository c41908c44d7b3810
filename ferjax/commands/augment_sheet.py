"""`python -m ferjax augment-sheet --config=FILE --out=FILE.png`: draws the config's augmentation.

The sheet shows originals, each option of the group `augment` that is on alone, and all of them together.
"""

import io
from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.config import validate
from ferjax.errors import UserError
from ferjax.platform import outputs
from ferjax.registry import verb
from ferjax.report.augment_sheet import sheet

_CONFIG = framework.config_flag()
_OUT = framework.path_flag("out", "augment_sheet.png", "The picture's file, .png or .jpg.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the random draws.", lower_bound=0)
flags.mark_flag_as_required("config")

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@verb("data", "draw what a config's augmentation does to images")
def main(argv: list[str]) -> None:
    """Writes the picture."""
    framework.no_arguments(argv)
    out = Path(_OUT.value)
    if out.suffix.lower() not in _FORMATS:
        raise UserError(f"--out={out} does not end in .png or .jpg")
    validate(_CONFIG.value)
    outputs.check("augment-sheet", out)
    content = io.BytesIO()
    sheet(_CONFIG.value, _SEED.value).save(content, _FORMATS[out.suffix.lower()], optimize=True)
    outputs.write("augment-sheet", out, content.getvalue())
    print(out)
