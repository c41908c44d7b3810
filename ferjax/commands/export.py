"""`python -m ferjax export --out=DIR [--workdir=RUN] [--formats=NAMES]`: exports a network in some formats.

stablehlo  DIR/network.stablehlo, one program for CPU, CUDA and TPU that needs jax and nothing else
onnx       DIR/network.onnx, for onnxruntime and others; needs pip install 'ferjax[onnx]'
onnx-fp16  DIR/network-fp16.onnx, of half the size; onnx-int8: DIR/network-int8.onnx, of a quarter. Both are
           scored on the run's validation images, and refused if they lose more than one point
web        DIR/web, a folder whose page index.html runs the network in a browser, from a disk or any host,
           offline; needs pip install 'ferjax[onnx]', and ONNX Runtime Web: --onnxruntime_web, or npm
bundle     DIR/bundle, a folder that predict, explain and demo take as --workdir; zip: DIR/bundle.zip

With --unlike=LAYER predict of a bundle, the web page and ONNX files (but for int8) also tell pictures that
are unlike those of training; those of the network that ferjax ships do without it. The programs map uint8
pictures to calibrated probabilities (and to valence and arousal, if the network has learnt them); stablehlo
and onnx are compared with the network before they are kept. DIR/MODEL_CARD.md states
what the network is for and how good it is. RUN may be a bundle; without it the network is the one that
ferjax ships.
"""

import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from ferjax.commands import framework
from ferjax.commands.chosen_network import chosen_network, workdir_flag
from ferjax.deploy import export_check, onnx_variants
from ferjax.deploy.model_card import model_card
from ferjax.deploy.onnx_variants import FLOAT16, INT8
from ferjax.errors import UserError
from ferjax.files import replacing, write_atomic
from ferjax.inference import bundle
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import load_for
from ferjax.inference.trained import Trained
from ferjax.platform.console import printable
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report import groups
from ferjax.report.run import read_run
from ferjax.report.wording import memory
from ferjax.runs.result import read_result
from ferjax.runs.weights import check_new
from ferjax.runs.workdir import RESULT

if TYPE_CHECKING:
    from ferjax.web.runtime import Runtime

_WORKDIR = workdir_flag()
_OUT = framework.path_flag("out", None, "The folder to write: new or empty.", required=True)
FORMATS = ("stablehlo", "onnx", FLOAT16, INT8, "web", "bundle", "zip")
_TELLING_UNLIKE = ("onnx", FLOAT16, "web", "bundle", "zip")
_FORMATS = flags.DEFINE_list("formats", ["stablehlo", "bundle"], f"Any of {', '.join(FORMATS)}.")
_RUNTIME = framework.path_flag(
    "onnxruntime_web",
    None,
    "For web: the folder or the archive (.tgz) of the npm package onnxruntime-web; else npm downloads it.",
)
_DATASET = flags.DEFINE_string(
    "dataset", "", "The set whose validation images score float16 and int8; that of the run if empty."
)
_UNLIKE = flags.DEFINE_string(
    "unlike",
    "",
    f"For {', '.join(_TELLING_UNLIKE)}: the layer, such as layer1_0, by which pictures unlike those of "
    "training are told; computed for train and validation images of the network's set.",
)
_DATA_DIR = framework.path_flag("data_dir", "", "The folder of built sets; the run's own if empty.")


@verb("use", "write a network as StableHLO, ONNX or a bundle, with a model card")
def main(argv: list[str]) -> None:
    """Writes all formats, or nothing."""
    framework.no_arguments(argv)
    formats = list(dict.fromkeys(_FORMATS.value))
    unknown = [name for name in formats if name not in _WRITERS]
    if unknown or not formats:
        raise UserError(f"--formats takes some of {', '.join(_WRITERS)}, not {', '.join(unknown) or 'none'}")
    workdir, out = chosen_network(_WORKDIR.value), Path(_OUT.value)
    check_new(out)
    # What can be wrong is checked now, rather than after writing the other formats.
    if _RUNTIME.value is not None:
        if "web" not in formats:
            raise UserError("--onnxruntime_web is read for --formats=web alone")
        _runtime()
    if any(name.startswith("onnx") or name == "web" for name in formats):
        from ferjax.deploy import onnx

        onnx.check_installed()
    if "web" in formats:
        _runtime()
    if _UNLIKE.value and not {*_TELLING_UNLIKE} & {*formats}:
        raise UserError(f"--unlike is kept by --formats={', '.join(_TELLING_UNLIKE)} alone")
    keep_compiled()
    network = open_network(workdir)
    if _UNLIKE.value:
        network = _described(network)
    card = _card(workdir, network)

    out = out.resolve()
    with replacing(out) as unfinished:
        unfinished.mkdir()
        summaries = [_WRITERS[name](network, card, unfinished) for name in formats]
        if "onnx" not in formats:  # the smaller ones were made from it
            _float32(unfinished).unlink(missing_ok=True)
        write_atomic(unfinished / bundle.CARD, card.encode())
    side = network.input_size
    print(f"{network.config.model.name} of {workdir}: from faces, uint8 [batch, {side}, {side}, 3], to")
    more = ", and to valence and arousal" if network.affect_head else ""
    print(f"probabilities of {printable(', '.join(network.label_names))}{more}")
    for line in (*summaries, f"{bundle.CARD}: what it is for, and how good it is"):
        print(f"  {out}/{line}")


def _described(network: Trained) -> Trained:
    from ferjax.inference.describe_training import describe

    if network.imported:
        raise UserError("--unlike needs the set that a network was trained on, which is not known of imports")
    return network._replace(unlike=describe(network, _UNLIKE.value, _DATA_DIR.value))


def _card(workdir: Path, network: Trained) -> str:
    """Reads the card of a bundle, or writes one for a run."""
    if bundle.is_bundle(workdir):
        return bundle.read_card(workdir)
    result = read_result(workdir / RESULT) if (workdir / RESULT).exists() else None
    return model_card(network, result, by_group=groups.measured(read_run(workdir).test) if result else None)


def _stablehlo(network: Trained, card: str, folder: Path) -> str:
    from ferjax.deploy import stablehlo

    path = folder / "network.stablehlo"
    write_atomic(path, stablehlo.export(network))
    return _compared(path, export_check.largest_difference(network, stablehlo.load(path)))


def _onnx(network: Trained, card: str, folder: Path) -> str:
    from ferjax.deploy import onnx

    path = _float32(folder)
    return _compared(path, onnx.export(network, path))


def _web(network: Trained, card: str, folder: Path) -> str:
    from ferjax.web import folder as web

    runtime, path = _runtime(), folder / "web"
    difference = web.write(network, card, path, runtime)
    size = memory(sum(file.stat().st_size for file in path.iterdir()))
    said = f"onnxruntime-web {runtime.version}, SHA-256 of its binary {runtime.sha256}"
    return f"web/{web.INDEX}: {size}, differs by at most {difference:.1e}; {said}"


@functools.cache
def _runtime() -> "Runtime":
    """Reads what computes in browsers; once, as it may be downloaded."""
    from ferjax.web import runtime

    return runtime.read(_RUNTIME.value)


def _float32(folder: Path) -> Path:
    return folder / "network.onnx"


def _smaller(kind: str, network: Trained, card: str, folder: Path) -> str:
    path, float32 = folder / f"network-{kind.removeprefix('onnx-')}.onnx", _float32(folder)
    config = network.config
    dataset = _DATASET.value or config.data.name
    if network.imported and not _DATASET.value:
        raise UserError(f"{kind} is scored on validation images: name their set with --dataset")
    source = load_for(config, dataset, "validation", _DATA_DIR.value or config.data.dir)
    if not float32.exists():
        _onnx(network, card, folder)
    before, after, images = onnx_variants.write(kind, network, source, float32, path)
    size = memory(path.stat().st_size)
    return f"{path.name}: {size}, {after}; float32: {before}; {images:,} validation images"


def _compared(path: Path, difference: float) -> str:
    return f"{path.name}: {memory(path.stat().st_size)}, differs by at most {difference:.1e}"


def _bundle(network: Trained, card: str, folder: Path) -> str:
    return _bundled(network, card, folder / "bundle")


def _zip(network: Trained, card: str, folder: Path) -> str:
    return _bundled(network, card, folder / "bundle.zip")


def _bundled(network: Trained, card: str, path: Path) -> str:
    digest = bundle.write(network, card, path)
    files = path.iterdir() if path.is_dir() else [path]
    size = memory(sum(file.stat().st_size for file in files))
    return f"{path.name}: {size}, SHA-256 of its {bundle.MANIFEST} {digest}"


_WRITERS: dict[str, Callable[[Trained, str, Path], str]] = {
    "stablehlo": _stablehlo,
    "onnx": _onnx,
    FLOAT16: partial(_smaller, FLOAT16),
    INT8: partial(_smaller, INT8),
    "web": _web,
    "bundle": _bundle,
    "zip": _zip,
}
