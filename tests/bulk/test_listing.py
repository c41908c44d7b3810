"""Every input of folders, lists, archives and Parquet files is listed once, and what is wrong is told."""

import tarfile

import pyarrow.parquet as pq
import pytest
from many import encoded, write_folder, write_parquet, write_tar

from ferjax.bulk import parquet_shards, tar_shards
from ferjax.bulk.entries import Entry, from_line, to_line
from ferjax.bulk.listing import entries
from ferjax.data.images import BadImage
from ferjax.errors import UserError
from ferjax.inference import pictures


def listed(*arguments, column="image", without="/nowhere"):
    return list(entries(map(str, arguments), column, without))


def told(*arguments, **options):
    """The reasons of what cannot be predicted."""
    return [entry.reason for entry in listed(*arguments, **options) if entry.kind == "failed"]


def content(entry, base):
    return b"".join(tar_shards.blocks(base / entry.path, entry.start, entry.size))


def test_the_members_of_an_archive_are_read_where_they_lie(tmp_path):
    names = ["a.png", "a.json", "deep/b.PNG", "../../out.png", "a.png", "c.mp4", "é" * 120 + ".png"]
    path = write_tar(tmp_path / "s.tar", [(name, encoded(at)) for at, name in enumerate(names)])
    found = listed(path)
    assert [entry.member for entry in found] == [name for name in names if name != "a.json"]
    assert [content(entry, tmp_path) for entry in found] == [encoded(at) for at in (0, 2, 3, 4, 5, 6)]
    assert list(tmp_path.iterdir()) == [path]  # nothing was unpacked


def test_links_and_giants_in_an_archive_fail_and_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", 500)
    path = write_tar(tmp_path / "s.tar", [("a.png", "/etc/passwd"), ("b.png", bytes(501)), ("c.png", b"c")])
    assert [entry.kind for entry in listed(path)] == ["failed", "failed", "member"]
    link, giant = told(path)
    assert "is a link" in link
    assert giant == "has 501 bytes; the limit is 500"


def test_a_broken_archive_keeps_what_can_be_read(tmp_path):
    path = write_tar(tmp_path / "s.tar", [(f"{at}.png", encoded(at)) for at in range(3)])
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * 1024 + 530])  # inside the third member, after its header
    assert [entry.kind for entry in listed(path)] == ["member"] * 3 + ["failed"]
    assert "after 3 of its pictures and videos (unexpected end of data)" in told(path)[0]
    with pytest.raises(BadImage, match="cut off in its archive"):
        content(listed(path)[2], tmp_path)
    path.write_bytes(b"no archive" * 100)
    assert "uncompressed .tar at its beginning" in told(path)[0]
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    assert "uncompressed .tar" in told(path)[0]
    assert told(write_tar(path, [("notes.txt", b"a")])) == ["holds no picture and no video"]


@pytest.mark.parametrize("struct", [False, True])
def test_the_rows_of_parquet_files_are_read_by_groups(tmp_path, struct):
    contents = [encoded(at) for at in range(5)]
    contents[3] = None
    path = write_parquet(tmp_path / "a.parquet", contents, struct=struct)
    found = listed(path)
    assert [(entry.start, entry.size, entry.inputs) for entry in found] == [(0, 2, 2), (1, 2, 2), (2, 1, 1)]
    assert [entry.first for entry in found] == [0, 2, 4]
    rows = [row for entry in found for row in parquet_shards.read(path, entry, "image")]
    assert rows[:3] + rows[4:] == contents[:3] + contents[4:]
    assert "holds no bytes" in str(rows[3])


def test_wrong_parquet_files_are_told(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", [encoded(0)], column="picture")
    assert told(path) == ["has no column 'image' of bytes; it has label, picture (--image_column)"]
    assert told(path, column="label") == [
        "has no column 'label' of bytes; it has label, picture (--image_column)"
    ]
    assert not told(path, column="picture")
    assert told(write_parquet(path, [])) == ["has no rows"]
    whole = write_parquet(path, [encoded(at) for at in range(9)]).read_bytes()
    path.write_bytes(whole[:-20])
    assert "cannot be read as Parquet" in told(path)[0]


def test_a_damaged_group_fails_row_by_row(tmp_path):
    contents = [encoded(at) for at in range(6)]
    path = write_parquet(tmp_path / "a.parquet", contents, group=3)
    place = pq.read_metadata(path).row_group(1).column(1)
    whole = bytearray(path.read_bytes())
    start = min(filter(None, (place.dictionary_page_offset, place.data_page_offset)))
    whole[start : start + place.total_compressed_size] = b"\xff" * place.total_compressed_size
    path.write_bytes(whole)
    rows = [row for entry in listed(path) for row in parquet_shards.read(path, entry, "image")]
    assert rows[:3] == contents[:3]
    assert len(rows) == 6
    assert all("cannot be read" in str(row) for row in rows[3:])


def test_lists_name_files_folders_and_archives_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "in", 3)
    write_tar(tmp_path / "in" / "s.tar", [("x.png", encoded(9))])
    (tmp_path / "in" / "notes.txt").write_text("no list, as nobody has named it")
    lines = [b"in/001.png", b"", b"nowhere.png", b"in", b"bad\0name.png", b"in/002.png\r", b"s3://a/b.png"]
    (tmp_path / "list.txt").write_bytes(b"\n".join(lines))
    found = listed("list.txt", "in/000.png")
    assert [entry.path for entry in found if entry.kind == "picture"] == [
        "in/001.png",
        "in/000.png",
        "in/002.png",
    ]
    assert [(entry.path, entry.member) for entry in found if entry.kind == "member"] == [
        ("in/s.tar", "x.png")
    ]
    assert [entry.path for entry in found if entry.kind == "skipped"] == ["in/notes.txt"]
    assert [reason.partition(",")[0] for reason in told("list.txt")] == [
        "does not exist", "does not exist", "is an address",
    ]  # fmt: skip


def test_a_link_out_of_a_folder_is_not_followed(tmp_path):
    write_tar(tmp_path / "s.tar", [("x.png", encoded(9))])
    folder = write_folder(tmp_path / "in", 1)
    (folder / "s.tar").symlink_to(tmp_path / "s.tar")
    (entry,) = [entry for entry in listed(folder) if entry.kind != "picture"]
    assert (entry.kind, entry.reason) == ("skipped", "is a link out of the folder")


def test_the_folder_of_the_results_is_no_input(tmp_path):
    folder = write_folder(tmp_path / "in", 2)
    write_folder(folder / "answers", 3)
    write_folder(folder / "answers_of_another", 1)
    assert len(listed(folder)) == 6
    assert len(listed(folder, without=folder / "answers")) == 3


def test_a_camera_is_no_input():
    with pytest.raises(UserError, match="webcam has no end"):
        listed("webcam")


def test_entries_survive_their_file():
    for entry in (
        Entry("member", "a.tar", "", "\udcff\n.png", 512, 7),
        Entry("failed", "é", "is no picture"),
    ):
        line = to_line(entry)
        assert line.isascii()
        assert line.count("\n") == 1
        assert from_line(line) == entry


@pytest.mark.parametrize("name", ["s.tar.gz", "S.TGZ", "s.tar.zst"])
def test_a_compressed_archive_that_is_named_is_told_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    assert told(tmp_path / name) == ["is compressed: unpack the compression first, and name the .tar"]
