"""`python -m ferjax prepare NAME`: builds a data set and counts what came out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from absl import flags

from ferjax.commands import framework
from ferjax.commands.beam_flags import beam_flags, named_values
from ferjax.data import builders
from ferjax.data.described import DamagedSetError, describe
from ferjax.data.records import Records
from ferjax.errors import UserError
from ferjax.registry import verb

_MANUAL_DIR = framework.path_flag(
    "manual_dir", None, "Folder with the files that you downloaded (licensed sets only)."
)
_DATA_DIR = framework.path_flag(
    "data_dir",
    None,
    "Folder of the built sets; $TFDS_DATA_DIR or ~/tensorflow_datasets if not given.",
    fetch=False,
)
_SKIP_BAD_ROWS = flags.DEFINE_bool(
    "skip_bad_rows", False, "Leave malformed rows and images out and count them, instead of stopping."
)
_OPTION = flags.DEFINE_multi_string(
    "option", [], "NAME=VALUE, an option of the set, see docs/data_sets.md; may be given several times."
)
_BEAM = beam_flags("Build large sets of files in parallel")


@verb("data", "build a data set from the files that you downloaded")
def main(argv: list[str]) -> None:
    """Builds the data set that the argument names and prints a summary."""
    if len(argv) != 2:
        raise UserError(f"prepare takes one name: {', '.join(builders.names())}")
    prepare(
        argv[1],
        _MANUAL_DIR.value,
        _DATA_DIR.value,
        skip_bad_rows=_SKIP_BAD_ROWS.value,
        options=named_values("option", _OPTION.value),
        beam=_BEAM(),
    )


def prepare(
    name: str,
    manual_dir: str | None = None,
    data_dir: str | None = None,
    *,
    skip_bad_rows: bool = False,
    options: Mapping[str, str] | None = None,
    beam: Mapping[str, str] | None = None,
) -> None:
    """Builds a data set, or checks one that is there, and prints what it holds.

    A set that is there and damaged is built again beside it, and replaced once the new one is whole.

    Args:
        name: one of `ferjax.data.builders.names()`, folder/NAME, or `package.module:Builder`.
        manual_dir: the folder with the files of a licensed set.
        data_dir: where built sets are, see `ferjax.data.builders.data_root`.
        skip_bad_rows: leave malformed rows out and count them.
        options: option of the set → value, see the `OPTIONS` of its builder.
        beam: see `ferjax.data.builders.build`.

    Raises:
        UserError: unknown name, wrong folder, malformed files, a full disk.
    """
    folder = builders.folder(name, data_dir)
    builder = builders.builder_class(name)
    licensed = builders.is_licensed(builder)
    if (manual_dir is not None or options or beam is not None) and not licensed:
        raise UserError(f"{name} is drawn by ferjax: it takes no --manual_dir, no --option and no --beam")
    arguments = (
        {"manual_dir": manual_dir, "skip_bad_rows": skip_bad_rows, "options": options} if licensed else {}
    )

    counts = None
    if folder.exists():
        try:
            counts = count(name, folder)
        except DamagedSetError as damage:
            if licensed and manual_dir is None:
                raise
            print(f"{damage}: building it again")
            built = builders.rebuild(name, data_dir, folder.stat(), beam, **arguments)
        else:
            built = False
            _refuse_other_options(name, folder, options or {})
    else:
        maker = builders.create(name, data_dir, **arguments)
        built = builders.build(maker, beam)
        if not built:  # another process was quicker, perhaps with other options
            _refuse_other_options(name, folder, maker.options if licensed else {})
    counts = counts or count(name, folder)
    if built:
        print(f"{name} is built in {folder}")
    else:
        print(
            f"{name} is built already, in {folder}{_with_options(name, folder)} (remove that folder to build "
            "it anew)"
        )

    print(summary(counts, builder.PUBLISHED if licensed else {}))
    metadata = describe(name, folder).metadata or {}
    if metadata.get("bad_rows"):
        print(f"{metadata['bad_rows']} bad rows were skipped")
    for note in metadata.get("notes", ()):
        print(f"note: {note}")


def _refuse_other_options(name: str, folder: Path, options: Mapping[str, str]) -> None:
    built = _built_options(name, folder)
    for option, value in options.items():
        if built.get(option) != value:
            raise UserError(
                f"{name} is built already, with {option}={built.get(option)}: remove {folder} to build it "
                f"with {option}={value}, or name another --data_dir"
            )


def _with_options(name: str, folder: Path) -> str:
    """Tells the options that a set was built with and that are no defaults."""
    known = getattr(builders.builder_class(name), "OPTIONS", {})
    defaults = {option: default for option, (default, _) in known.items()}
    built = _built_options(name, folder)
    texts = [f"{option}={value}" for option, value in built.items() if value != defaults.get(option)]
    return f", with {', '.join(texts)}" if texts else ""


def _built_options(name: str, folder: Path) -> dict[str, str]:
    return (describe(name, folder).metadata or {}).get("options", {})


def count(name: str, folder: Path) -> dict[str, dict[str, int]]:
    """Reads a whole built set: split → class name → examples. Raises UserError if it is damaged."""
    counts = {}
    for split in describe(name, folder).splits:
        records = Records(name, folder, split)
        per_class = np.bincount(records.scan().labels, minlength=len(records.label_names))
        counts[split] = dict(zip(records.label_names, per_class.tolist(), strict=True))
    return counts


def summary(counts: Mapping[str, Mapping[str, int]], published: Mapping[str, Mapping[str, int]]) -> str:
    """Tabulates examples per split and class beside the published numbers, and marks which agree.

    Args:
        counts: split → class name → examples.
        published: split → class name or "total" → examples, as far as they are known.
    """
    lines = [f"{'split':<12}{'class':<10}{'examples':>9}{'published':>11}"]
    differences = 0
    for split in [*counts, *(split for split in published if split not in counts)]:
        known = published.get(split, {})
        found = counts.get(split) or dict.fromkeys((name for name in known if name != "total"), 0)
        for name, number in [*found.items(), ("total", sum(found.values()))]:
            expected = known.get(name)
            differs = expected not in (None, number)
            mark = "" if expected is None else "  differs" if differs else "  as published"
            differences += differs
            shown = "" if expected is None else expected
            lines.append(f"{split:<12}{name:<10}{number:>9}{shown:>11}{mark}".rstrip())
    if published:
        lines.append(f"{differences} numbers differ" if differences else "all numbers are the published ones")
    return "\n".join(lines)
