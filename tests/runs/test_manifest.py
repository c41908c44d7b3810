"""The manifests of bundles and packs: their format, its version, and their list of files."""

from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.runs.manifest import checked_format, lists_files

ENTRY = {"sha256": "0" * 64, "bytes": 3}


def check(manifest):
    return checked_format(Path("a.zip"), "list.json", manifest, "ferjax bundle", 2, "ferjax export")


@pytest.mark.parametrize("version", [0, 1, 2, "1", None, True, 2.5])
def test_versions_that_are_read_and_values_that_the_caller_judges_pass(version):
    manifest = {"format": "ferjax bundle", "version": version}
    assert check(manifest) is manifest


@pytest.mark.parametrize("manifest", [None, [], "ferjax bundle", {}, {"format": "ferjax pack", "version": 1}])
def test_another_format_is_refused(manifest):
    with pytest.raises(
        UserError, match=r"a\.zip is no bundle, as its list\.json shows; ferjax export writes one"
    ):
        check(manifest)


def test_a_newer_version_asks_for_a_newer_ferjax():
    with pytest.raises(UserError, match=r"a\.zip is a bundle of format 3, .* reads formats up to 2: upgrade"):
        check({"format": "ferjax bundle", "version": 3})


@pytest.mark.parametrize(
    "files",
    [None, [ENTRY], {"a": None}, {"a": ENTRY, "b": {"sha256": "0"}}, {"a": {**ENTRY, "bytes": True}},
     {"a": {**ENTRY, "bytes": -1}}, {"a": {**ENTRY, "sha256": 1}}],
)  # fmt: skip
def test_what_is_no_list_of_files(files):
    assert not lists_files(files)


def test_a_list_of_files():
    assert lists_files({"a": ENTRY, "b": {**ENTRY, "bytes": 0}})
