"""Writes the static folder whose page runs a network in a browser, from a disk or from any static host.

A page that was opened from a disk may fetch no file, so all is in scripts: a network or a WebAssembly binary
is a script that holds it, compressed by gzip, in base64.
"""

import base64
import gzip
import importlib.util
import json
from importlib import resources
from pathlib import Path

import ferjax
from ferjax.deploy import faces, onnx
from ferjax.explain import heat_colours
from ferjax.files import write_atomic
from ferjax.inference import bundle
from ferjax.inference.trained import Trained
from ferjax.report.style import STYLE
from ferjax.web import face_network, program
from ferjax.web.runtime import Runtime

INDEX = "index.html"
_PAGE = resources.files("ferjax.web") / "page"
_MIN_SCORE = 0.6  # that `ferjax predict` asks of a face by default


def write(network: Trained, card: str, folder: Path, runtime: Runtime) -> float:
    """Writes the folder.

    Args:
        network: the network.
        card: its model card.
        folder: to write, absent.
        runtime: what computes in the browser.

    Returns:
        The largest difference of a probability between the page's network and the original.

    Raises:
        UserError: onnx or onnxruntime is not installed, or the network cannot be written as ONNX.
    """
    folder.mkdir()
    for source in _PAGE.iterdir():
        if not source.name.endswith(".css"):
            write_atomic(folder / source.name, source.read_bytes())
    write_atomic(folder / "style.css", (STYLE + (_PAGE / "page.css").read_text("utf-8")).encode())
    write_atomic(folder / "ort.js", runtime.script)
    _embed(folder, "runtime.mjs", runtime.loader)
    _embed(folder, "runtime.wasm", runtime.binary)
    difference = program.export(network, folder / "network.onnx")
    face_network.export(folder / "faces.onnx")
    for name in ("network.onnx", "faces.onnx"):
        _embed(folder, name, (folder / name).read_bytes())
        (folder / name).unlink()
    settings = json.dumps(_settings(network, runtime), indent=2, allow_nan=False)
    write_atomic(folder / "settings.js", f'"use strict";\nconst SETTINGS = {settings};\n'.encode())
    write_atomic(folder / bundle.CARD, card.encode())
    write_atomic(folder / "licences.txt", _licences(runtime).encode())
    return difference


def _embed(folder: Path, name: str, content: bytes) -> None:
    """Writes a script that sets `EMBEDDED[name]`."""
    text = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    script = f'"use strict";\n(self.EMBEDDED ??= {{}})[{json.dumps(name)}] = "{text}";\n'
    write_atomic(folder / f"{name}.js", script.encode())


def _settings(network: Trained, runtime: Runtime) -> dict[str, object]:
    """Collects what the page's scripts must know of the network."""
    return {
        "model": network.config.model.name,
        "origin": network.origin,
        "labels": list(network.label_names),
        "inputSize": network.input_size,
        "imageSize": network.image_size,
        "resize": network.config.data.resize,
        "grey": network.grey,
        "margin": network.face_margin,
        "temperature": network.temperature or 1.0,
        "unsureBelow": network.unsure.below if network.unsure else 0.0,
        "sets": network.sets._asdict() if network.sets else None,
        "unlikeAbove": network.unlike.above if network.unlike else None,
        "heat": program.has_maps(network),
        "heatColours": {"warm": heat_colours.WARM, "cold": heat_colours.COLD},
        "minScore": _MIN_SCORE,
        "tiles": faces.TILES,
        "ferjax": ferjax.__version__,
        "runtime": f"{runtime.version} (SHA-256 {runtime.sha256[:12]}…)",
    }


def _licences(runtime: Runtime) -> str:
    """Joins the licences of all that is in the folder; those of ONNX Runtime are in its Python package."""
    onnx.check_installed("onnxruntime")
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None  # as it is installed
    assert spec.origin is not None
    package = Path(spec.origin).parent
    texts = {
        "This page": "Part of ferjax, under the Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0\n",
        f"ONNX Runtime Web {runtime.version}, SHA-256 of its binary {runtime.sha256}": (
            (package / "LICENSE").read_text("utf-8")
        ),
        "YuNet, which finds faces": (
            (resources.files("ferjax.deploy") / "yunet_licence.txt").read_text("utf-8")
        ),
        "Software in ONNX Runtime": (package / "ThirdPartyNotices.txt").read_text("utf-8"),
    }
    return "\n".join(f"{title}\n{'=' * len(title)}\n\n{text}" for title, text in texts.items())
