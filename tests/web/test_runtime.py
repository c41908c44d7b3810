"""ONNX Runtime Web is read from its package, wherever the user has it, and anything else is refused."""

import io
import json
import tarfile

import pytest

from ferjax.errors import UserError
from ferjax.web import runtime

FILES = {
    "package.json": json.dumps({"name": "onnxruntime-web", "version": "9.8.7"}).encode(),
    "dist/ort.wasm.min.js": b"var ort = {};",
    "dist/ort-wasm-simd-threaded.mjs": b"export default 1;",
    "dist/ort-wasm-simd-threaded.wasm": b"\0asm" + bytes(100),
}


def folder_of(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def archive_of(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("made", [folder_of, archive_of])
def test_a_package_is_read(made, tmp_path):
    read = runtime.read(str(made(tmp_path / "package.tgz", FILES)))
    assert read.version == "9.8.7"
    assert (read.script, read.loader, read.binary) == tuple(FILES.values())[1:]
    assert len(read.sha256) == 64


@pytest.mark.parametrize("made", [folder_of, archive_of])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"package.json": b'{"name": "onnxruntime", "version": "1.0.0"}'},
            "is not the package onnxruntime-web",
        ),
        ({"package.json": b"[]"}, "is not the package onnxruntime-web"),
        ({"package.json": b"\xff"}, "is not the package onnxruntime-web"),
        ({"package.json": None}, "is not the package onnxruntime-web"),
        ({"dist/ort.wasm.min.js": None}, "9.8.7, has no .*dist/ort.wasm.min.js; the page is tested with"),
        ({"dist/ort-wasm-simd-threaded.wasm": b"text"}, "wasm is no WebAssembly"),
    ],
)
def test_what_is_no_such_package_is_told(made, tmp_path, changes, message):
    files = {name: content for name, content in (FILES | changes).items() if content is not None}
    with pytest.raises(UserError, match=message):
        runtime.read(str(made(tmp_path / "package.tgz", files)))


def test_no_file_outside_the_folder_is_read(tmp_path):
    (tmp_path / "secret.js").write_text("secret")
    package = folder_of(tmp_path / "package", FILES)
    (package / "dist/ort.wasm.min.js").unlink()
    (package / "dist/ort.wasm.min.js").symlink_to(tmp_path / "secret.js")
    with pytest.raises(UserError, match="leads out of"):
        runtime.read(str(package))


def test_links_and_huge_files_in_an_archive_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("package/package.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(UserError, match="is not the package"):
        runtime.read(str(path))
    monkeypatch.setattr(runtime, "_MOST_BYTES", 10)
    with pytest.raises(UserError, match="is not the package"):
        runtime.read(str(archive_of(path, FILES)))


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b damaged"])
def test_a_damaged_archive_is_told(tmp_path, content):
    (tmp_path / "package.tgz").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as the package onnxruntime-web"):
        runtime.read(str(tmp_path / "package.tgz"))


def test_a_cut_archive_is_told(tmp_path):
    path = archive_of(tmp_path / "package.tgz", FILES | {"dist/ort.wasm.min.js": bytes(range(256)) * 400})
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"package\.tgz"):
        runtime.read(str(path))


def test_without_npm_the_user_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match=r"no npm here .*npm pack onnxruntime-web.*--onnxruntime_web=FILE.tgz"
    ):
        runtime.read(None)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1", "npm could not download onnxruntime-web"),
        ('echo other > "$4/$NAME"', "is not onnxruntime-web"),
    ],
)
def test_a_download_that_fails_or_differs_is_told(tmp_path, monkeypatch, script, message):
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\nNAME=onnxruntime-web-{runtime.VERSION}.tgz\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UserError, match=message):
        runtime.read(None)
