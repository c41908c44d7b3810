"""The folder of the page: complete, without addresses, and only whole; the command's bad input."""

import base64
import gzip
import json
import re

import pytest
import tiny
from networks import trained_network
from test_runtime import FILES, archive_of

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from ferjax.scores.conformal import Sets
from ferjax.scores.unsure import Unsure
from ferjax.web import folder
from ferjax.web.runtime import read


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of a network with random weights."""
    path = tmp_path_factory.mktemp("page")
    runtime = read(str(archive_of(path / "package.tgz", FILES)))
    with tiny.registered():
        network = trained_network(data__name="toons/avataaars")._replace(
            sets=Sets(0.9, 0.07), unsure=Unsure(0.4, 0.9, 0.8)
        )
        assert folder.write(network, "the card", path / "web", runtime) < 1e-5
    return network, path / "web"


def embedded(path, name):
    """The file that a script holds."""
    text = (path / f"{name}.js").read_text()
    found = re.fullmatch(
        r'"use strict";\n\(self\.EMBEDDED \?\?= \{\}\)\["(.+)"\] = "([A-Za-z0-9+/=]+)";\n', text
    )
    assert found[1] == name
    return gzip.decompress(base64.b64decode(found[2]))


def test_files_are_embedded(page):
    _, path = page
    assert embedded(path, "runtime.wasm") == FILES["dist/ort-wasm-simd-threaded.wasm"]
    assert embedded(path, "runtime.mjs") == FILES["dist/ort-wasm-simd-threaded.mjs"]
    assert (path / "ort.js").read_bytes() == FILES["dist/ort.wasm.min.js"]
    for name in ("network.onnx", "faces.onnx"):
        assert b"maps" in embedded(path, name) or b"cells8" in embedded(path, name)
        assert not (path / name).exists()


def test_all_that_the_page_names_is_there_and_nothing_else(page):
    _, path = page
    html = (path / "index.html").read_text()
    named = {*re.findall(r'(?:src|href)="([^":]+)"', html)}
    assert named | {"index.html"} == {file.name for file in path.iterdir()}
    assert not re.search(r"https?:|//", html.replace("<!DOCTYPE", ""))
    assert "connect-src" not in html  # default-src 'none' holds for it
    assert "default-src 'none'" in html


def test_settings_are_those_of_the_network(page):
    network, path = page
    settings = json.loads((path / "settings.js").read_text().partition("SETTINGS = ")[2].rstrip().rstrip(";"))
    assert settings["labels"] == list(network.label_names)
    assert (settings["inputSize"], settings["imageSize"]) == (network.input_size, network.image_size)
    assert (settings["margin"], settings["temperature"]) == (network.face_margin, network.temperature)
    assert settings["sets"] == {"coverage": 0.9, "smallest": 0.07}
    assert settings["unsureBelow"] == 0.4
    assert (settings["grey"], settings["heat"], settings["resize"]) == (False, True, "pil")
    assert settings["runtime"].startswith("9.8.7 (SHA-256 ")


def test_licences_and_the_card_are_with_it(page):
    _, path = page
    text = (path / "licences.txt").read_text()
    for part in ("Copyright (c) Microsoft Corporation", "libfacedetection", "Apache License 2.0", "9.8.7"):
        assert part in text
    assert (path / "MODEL_CARD.md").read_text() == "the card"


def test_bad_input_is_one_line_and_leaves_nothing(shell, tmp_path):
    out = f"--out={tmp_path / 'out'}"
    (tmp_path / "package.tgz").write_text("text")
    line = tiny.only_line(
        shell("export", out, "--formats=web", f"--onnxruntime_web={tmp_path / 'package.tgz'}")
    )
    assert "cannot be read as the package onnxruntime-web" in line
    line = tiny.only_line(shell("export", out, "--formats=web", f"--onnxruntime_web={tmp_path / 'nowhere'}"))
    assert "No such file" in line
    line = tiny.only_line(shell("export", out, f"--onnxruntime_web={tmp_path}"))
    assert "--onnxruntime_web is read for --formats=web alone" in line
    assert not (tmp_path / "out").exists()
