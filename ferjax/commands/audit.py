"""`python -m ferjax audit NAME`: looks for what is wrong with a built data set.

Copies and look-alikes inside and across splits, people in two splits, bad images, odd counts, a wrong order
of the labels. Writes audit.json and audit.html. See docs/audit.md for the checks.
"""

from pathlib import Path

from absl import flags

from ferjax.audit.page import write_page
from ferjax.audit.run import audit, is_serious, summary
from ferjax.data import builders
from ferjax.data.loading import built_folder
from ferjax.errors import UserError
from ferjax.files import write_json_atomic
from ferjax.registry import verb

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the built sets; $TFDS_DATA_DIR or ~/tensorflow_datasets if not given."
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder of audit.json and audit.html; the folder audit/ beside the built set if not given."
)
_STRICT = flags.DEFINE_bool("strict", False, "Exit with code 1 if anything serious is found.")


@verb("data", "look for copies, leaks and wrong labels in a data set")
def main(argv: list[str]) -> int:
    """Audits the data set that the argument names; returns 1 under --strict if a finding is serious."""
    if len(argv) != 2:
        raise UserError(f"audit takes one name: {', '.join(builders.names())}")
    name, data_dir = argv[1], _DATA_DIR.value
    folder = built_folder(name, data_dir)
    report = audit(name, folder, getattr(builders.builder_class(name), "PUBLISHED", {}))
    out = Path(_OUT.value).expanduser() if _OUT.value else folder / "audit"
    try:
        write_json_atomic(out / "audit.json", report)
        write_page(report, folder, out / "audit.html")
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(
            f"cannot write {error.filename or out}: {error.strerror}; --out names another folder"
        ) from error
    print(summary(report))
    print(out / "audit.html")
    return int(_STRICT.value and is_serious(report))
