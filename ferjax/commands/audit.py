"""`python -m ferjax audit NAME`: looks for what is wrong with a built data set.

Copies and look-alikes inside and across splits, people in two splits, bad images, odd counts, a wrong order
of the labels. Writes audit.json and audit.html. See docs/audit.md for the checks.
"""

from pathlib import Path

from absl import flags

from ferjax.audit.page import VERB, write_page
from ferjax.audit.run import audit, is_serious, summary
from ferjax.commands import framework
from ferjax.data import builders
from ferjax.data.loading import built_folder
from ferjax.errors import UserError
from ferjax.files import to_json
from ferjax.platform import outputs
from ferjax.registry import verb
from ferjax.storage.address import Address

_DATA_DIR = framework.path_flag(
    "data_dir",
    None,
    "Folder of the built sets; $TFDS_DATA_DIR or ~/tensorflow_datasets if not given.",
    fetch=False,
)
_OUT = framework.path_flag(
    "out", None, "Folder of audit.json and audit.html; the folder audit/ beside the built set if not given."
)
_STRICT = flags.DEFINE_bool("strict", False, "Exit with code 1 if anything serious is found.")


@verb("data", "look for copies, leaks and wrong labels in a data set")
def main(argv: list[str]) -> int:
    """Audits the data set that the argument names; returns 1 under --strict if a finding is serious."""
    if len(argv) != 2:
        raise UserError(f"audit takes one name: {', '.join(builders.names())}")
    name, data_dir = argv[1], _DATA_DIR.value
    root = builders.data_root(data_dir)
    if isinstance(root, Address) and not _OUT.value:
        raise UserError(f"name a folder for the page with --out: nothing is written to {root}")
    folder = built_folder(name, data_dir)
    out = Path(_OUT.value) if _OUT.value else folder / "audit"
    numbers, page = out / "audit.json", out / "audit.html"
    outputs.check(VERB, numbers, page, advice="--out names another folder")
    report = audit(name, folder, getattr(builders.builder_class(name), "PUBLISHED", {}))
    outputs.write(VERB, numbers, to_json(report))
    write_page(report, folder, page)
    print(summary(report))
    print(page)
    return int(_STRICT.value and is_serious(report))
