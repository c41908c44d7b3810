"""What the command line names: files, folders, patterns, cameras, and what is not there."""

import os

import pytest

from ferjax.inference.inputs import expand


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "clip.mp4", "notes.txt", "deep/c.webp", ".hidden.png", ".git/d.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "in"


def kinds(*arguments):
    return [(found.kind, found.path.name) for found in expand([str(argument) for argument in arguments])]


def test_a_folder_is_searched_in_order_and_what_is_no_picture_is_listed(folder):
    assert kinds(folder) == [
        ("picture", "a.PNG"), ("picture", "b.jpg"), ("video", "clip.mp4"), ("skipped", "notes.txt"),
        ("picture", "c.webp"),
    ]  # fmt: skip
    places = {str(found.place) for found in expand([str(folder)])}
    assert "deep/c.webp" in places


def test_no_file_is_taken_twice(folder):
    assert kinds(folder / "b.jpg", folder / ".." / "in" / "b.jpg") == [("picture", "b.jpg")]
    assert len(kinds(folder, folder / "*")) == len(kinds(folder))


def test_patterns_reach_into_folders(folder):
    assert kinds(folder / "*.jpg") == [("picture", "b.jpg")]
    assert kinds(folder / "**" / "*.webp") == [("picture", "c.webp")]
    ((kind, _),) = kinds(folder / "*.gif")
    assert kind == "failed"


def test_a_file_that_is_named_is_a_picture_whatever_it_is_called(folder):
    assert kinds(folder / "notes.txt") == [("picture", "notes.txt")]


@pytest.mark.parametrize("name", ["webcam", "webcam:2", "camera:0"])
def test_cameras(name):
    (found,) = expand([name])
    assert found.kind == "camera"
    assert found.camera == int(name.partition(":")[2] or 0)


def test_a_file_may_be_called_like_a_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "webcam").write_bytes(b"x")
    assert kinds("webcam") == [("picture", "webcam")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere.jpg", "does not exist"),
        ("http://example.org/a.jpg", "is an address"),
        ("empty", "no picture"),
    ],
)
def test_what_is_not_there_fails(tmp_path, monkeypatch, name, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (found,) = expand([name])
    assert found.kind == "failed"
    assert reason in found.reason


def test_a_folder_without_pictures_fails_after_its_skips(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert [kind for kind, _ in kinds(tmp_path)] == ["skipped", "failed"]


def test_links_do_not_lead_out_of_a_folder(folder, tmp_path):
    (tmp_path / "outside.png").write_bytes(b"x")
    (folder / "out.png").symlink_to(tmp_path / "outside.png")
    (folder / "same.png").symlink_to(folder / "a.PNG")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    found = {entry.path.name: entry for entry in expand([str(folder)])}
    assert found["out.png"].kind == "skipped"
    assert "same.png" not in found  # the same file as a.PNG
    assert found["gone.png"].reason == "is a link to nothing"


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "face.png")
    ((kind, _),) = kinds(tmp_path / "face.png")
    assert kind == "failed"


def test_names_that_are_no_text_can_be_told(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(b"x")
    (found,) = expand([str(tmp_path)])
    assert found.name.encode().decode().endswith("caf�.png")
    assert found.path.read_bytes() == b"x"


def reasons(*arguments):
    return {
        found.path.name: (found.kind, found.reason)
        for found in expand([str(argument) for argument in arguments])
    }


@pytest.mark.parametrize("where", ["named", "in a folder", "by a pattern"])
def test_special_files_are_told_wherever_they_are_found(tmp_path, where):
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nothing")
    (folder / "a.png").symlink_to(folder / "b.png")
    (folder / "b.png").symlink_to(folder / "a.png")
    (folder / "folder.png").mkdir()
    named = {
        "named": sorted(folder.glob("*[a-e].png")),
        "in a folder": [folder],
        "by a pattern": [folder / "*"],
    }
    found = reasons(*named[where])
    found.pop("folder.png", None)
    assert found == {
        "pipe.png": ("failed", "is not a plain file"),
        "gone.png": ("failed", "is a link to nothing"),
        "a.png": ("failed", "is a link to nothing"),
        "b.png": ("failed", "is a link to nothing"),
    }


def test_a_pattern_does_not_follow_links_in_a_circle(folder):
    for name in ("one", "two", "three"):
        (folder / "deep" / name).symlink_to(folder)
    assert kinds(folder / "**" / "*.webp") == [("picture", "c.webp")]
    assert ("picture", "c.webp") in kinds(folder / "**")
    assert not any(name.startswith(".") for _, name in kinds(folder / "**"))


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300 + ".png", "~nobody-of-this-name/a.png"])
def test_names_that_cannot_be_opened_are_told(name):
    ((kind, reason),) = reasons(name).values()
    assert kind == "failed"
    assert "cannot be opened" in reason or "does not exist" in reason


def test_photographs_of_phones_are_not_passed_over(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"x")
    assert kinds(tmp_path) == [("picture", "IMG_1.HEIC")]


def test_links_that_nobody_may_follow_are_no_end(folder, monkeypatch):
    real = os.path.realpath

    def secret(path, **options):
        if str(path).endswith("b.jpg"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(os.path, "realpath", secret)
    assert ("picture", "b.jpg") in kinds(folder)
    assert ("picture", "c.webp") in kinds(folder)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [(entry.kind, entry.reason) for entry in expand([name])] == [("failed", "names nothing")]
