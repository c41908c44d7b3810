"""The archive: the same bytes for the same files, and nothing taken out that is not listed."""

import hashlib
import json
import os
import stat
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferjax.errors import UserError
from ferjax.pack import archive
from ferjax.pack.unpack import unpack
from ferjax.platform import outputs

FILES = {"README.md": b"text\n", "runs/a/config.json": b"{}", "runs/a/data.bin": bytes(range(256)) * 20}
ABOUT = {"runs": {"a": {"needs": []}}, "tolerance": 0.03}


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "pack.zip"
    archive.write(path, FILES, ABOUT)
    return path


def manifest_of(members, **changes):
    entries = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    }
    return {"format": archive.FORMAT, "version": 1, **ABOUT, "files": entries, **changes}


def write_zip(path, members, manifest, compression=zipfile.ZIP_STORED):
    """Writes an archive of any members, (name or ZipInfo, content) each."""
    with zipfile.ZipFile(path, "w", compression) as file:
        if manifest is not None:
            file.writestr(zipfile.ZipInfo("pack.json"), json.dumps(manifest))
        for info, content in members:
            file.writestr(info, content)
    return path


def refused(path, folder, words):
    with pytest.raises(UserError, match=words) as raised:
        unpack(path, folder)
    assert "\n" not in str(raised.value)
    assert not folder.exists()
    assert not [left for left in folder.parent.iterdir() if left.name.endswith(".tmp")]


def test_a_pack_comes_back_and_is_the_same_in_every_byte(packed, tmp_path):
    (tmp_path / "file").write_bytes(FILES["runs/a/data.bin"])
    from_disk = {**dict(reversed(FILES.items())), "runs/a/data.bin": tmp_path / "file"}
    digest = archive.write(tmp_path / "again.zip", from_disk, ABOUT)
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()
    pack = unpack(packed, tmp_path / "out")
    assert pack.digest == digest
    for name, content in FILES.items():
        assert (pack.folder / name).read_bytes() == content
    assert {path.name for path in pack.folder.rglob("*") if path.is_file()} == {
        "pack.json", "README.md", "config.json", "data.bin",
    }  # fmt: skip
    outputs.check("pack", packed)  # it may be packed again


def test_an_unpacked_pack_is_checked_again(packed, tmp_path):
    folder = tmp_path / "out"
    unpack(packed, folder)
    (folder / "rerun").mkdir()
    unpack(packed, folder)
    (folder / "runs/a/config.json").write_bytes(b"[]")
    with pytest.raises(UserError, match=r"config.json is not as it was packed any more"):
        unpack(packed, folder)
    (folder / "runs/a/config.json").unlink()
    (tmp_path / "same").write_bytes(b"{}")
    (folder / "runs/a/config.json").symlink_to(tmp_path / "same")
    with pytest.raises(UserError, match=r"config.json is not as it was packed any more"):
        unpack(packed, folder)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_changed_byte_is_refused_or_changes_no_file(packed, tmp_path, data):
    content = bytearray(packed.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    changed = tmp_path / "changed.zip"
    changed.write_bytes(content)
    folder = tmp_path / f"out-{os.urandom(6).hex()}"
    try:
        unpack(changed, folder)
    except UserError:
        assert not folder.exists()
    else:
        assert {name: (folder / name).read_bytes() for name in FILES} == FILES


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "a\\x", ".x", "a//x", "a/", "C:x", "a\x01", "ü"]
)
def test_members_that_could_lead_elsewhere_are_refused(tmp_path, name):
    files = {**FILES, name: b"x"}
    path = write_zip(tmp_path / "bad.zip", files.items(), manifest_of(files))
    refused(path, tmp_path / "out", "which no pack does; do not trust it")
    with pytest.raises(UserError, match="cannot be packed under this name"):
        archive.write(tmp_path / "new.zip", files, ABOUT)


def test_links_and_folders_are_refused(tmp_path):
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR):
        info = zipfile.ZipInfo("runs/a/link")
        info.external_attr = (kind | 0o777) << 16
        files = {**FILES, "runs/a/link": b"/etc/passwd"}
        members = [*FILES.items(), (info, b"/etc/passwd")]
        path = write_zip(tmp_path / "bad.zip", members, manifest_of(files))
        refused(path, tmp_path / "out", "runs/a/link, which is a link or no file")


def test_nothing_unpacks_to_more_than_the_archive(tmp_path):
    files = {**FILES, "runs/a/zeros": bytes(10**6)}
    path = write_zip(tmp_path / "bomb.zip", files.items(), manifest_of(files), zipfile.ZIP_DEFLATED)
    refused(path, tmp_path / "out", "compressed, which no pack does")
    # Members that share their bytes in the archive.
    path = write_zip(tmp_path / "overlap.zip", [("a", bytes(5000)), ("b", bytes(5000))], None)
    content = path.read_bytes()
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    first_header = struct.pack("<I", 0)
    changed = content[: second + 42] + first_header + content[second + 46 :]
    local_second = content.index(b"PK\x03\x04", 4)
    path.write_bytes(changed[:local_second] + changed[content.index(b"PK\x01\x02") :])
    with pytest.raises(UserError):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_are_those_of_the_list(tmp_path):
    out = tmp_path / "out"
    listed = manifest_of(FILES)
    more = [*FILES.items(), ("runs/a/more", b"x")]
    refused(
        write_zip(tmp_path / "a.zip", more, listed), out, "runs/a/more, which its pack.json does not list"
    )
    less = list(FILES.items())[1:]
    refused(write_zip(tmp_path / "b.zip", less, listed), out, "lacks 'README.md'")
    twice = [*FILES.items(), ("readme.MD", b"text\n")]
    refused(write_zip(tmp_path / "c.zip", twice, listed), out, "readme.MD twice")
    longer = {**FILES, "README.md": b"text\n\n"}
    refused(write_zip(tmp_path / "d.zip", longer.items(), listed), out, "README.md .* another size")
    other = {**FILES, "README.md": b"Text\n"}
    refused(write_zip(tmp_path / "e.zip", other.items(), listed), out, "README.md .* was changed")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "zip"}, "is no pack"),
        ({"version": 99}, "upgrade ferjax"),
        ({"files": []}, "is damaged"),
        ({"files": {"README.md": {"bytes": -1, "sha256": ""}}}, "is damaged"),
        ({"runs": {}}, "names no runs"),
        ({"runs": {"a": {"needs": [1]}}}, "names no runs"),
        ({"runs": {"../a": {"needs": []}}}, "names a run '../a'; do not trust it"),
    ],
)
def test_a_wrong_list_is_told(tmp_path, changes, words):
    path = write_zip(tmp_path / "bad.zip", FILES.items(), manifest_of(FILES, **changes))
    refused(path, tmp_path / "out", words)


def test_what_is_no_pack_is_told(packed, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "text").write_text("this is a text, no archive")
    refused(tmp_path / "text", out, "cannot be read as a .zip")
    refused(tmp_path / "none", out, "does not exist")
    refused(tmp_path, out, "is a folder")
    refused(write_zip(tmp_path / "other.zip", FILES.items(), None), out, "it has no pack.json")
    packed.write_bytes(packed.read_bytes()[:-300])
    refused(packed, out, "cannot be read as a .zip")


def test_a_folder_with_other_things_stays_as_it_is(packed, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        unpack(packed, tmp_path / "full")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    for place in (tmp_path / "link", packed):
        with pytest.raises(UserError, match="is no folder"):
            unpack(packed, place)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    (tmp_path / "mine.zip").write_bytes(b"mine")
    with pytest.raises(UserError, match="was not written by ferjax pack"):
        archive.write(tmp_path / "mine.zip", FILES, ABOUT)
