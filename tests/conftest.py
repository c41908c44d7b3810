"""Shared by all tests: absl flags count as parsed, as in a command, and the tiny network with its data."""

import contextlib
import importlib
import io
import os
import re
import signal
import subprocess

import jax
import pytest
import shape_checks  # noqa: F401
import tiny
from absl import flags
from fork_server import ForkServer
from hypothesis import HealthCheck, settings
from untrained import write_run

from ferjax.data import builders
from ferjax.models import convnext, resnet
from ferjax.platform import compile_options, xla_flags

flags.FLAGS.mark_as_parsed()
xla_flags.keep_convolutions()  # as every command does

# In the background a shell has its commands ignore ^C, which the commands that tests start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Most of the tests' time is compiling: XLA shall hurry, here and in the commands that tests start.
# `make test-all` compiles as training does.
_HURRY = "JAX_DISABLE_MOST_OPTIMIZATIONS"
os.environ.setdefault(_HURRY, "1")
jax.config.update(_HURRY.lower(), os.environ[_HURRY] != "0")
if os.environ[_HURRY] != "0":
    for option, value in compile_options.sooner_on_cpu().items():
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --{option}={str(value).lower()}"

# Networks whose layers another, smaller or plainer, also has: what is tried on every network takes long with
# these, and says little more.
RELATIVES = [
    "attentional_cnn", "resnet18", "resnet34", "resnet50", "se_resnet34", "se_resnet50", "vgg16", "vgg16_bn",
    "vgg19", "vgg19_bn", "ran", "facenet", "facenet2expnet", "ran_facenet2expnet",
    "convnext_tiny", "efficientnet_b0", "efficientnet_b2", "emonext_tiny", "vit_b16", "vit_s16",
    "dan", "ddamfn", "mobilefacenet", "ir50", "poster_v2", "resmaskingnet",
    "big_xception", "mini_xception", "face_expression_net",
    "affectnet_large_batch", "affectnet_pretrain", "deep_cnn_transfer", "transfer_rafdb", "mae_vit_s16",
]  # fmt: skip
_OF_A_RELATIVE = re.compile(rf"\[(?:.*\W)?(?:{'|'.join(RELATIVES)})(?:\W.*)?\]$")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("slow") and _OF_A_RELATIVE.search(item.nodeid):
            item.add_marker("relative")


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory):
    """Where this process and its commands keep compiled programs."""
    folder = tmp_path_factory.getbasetemp()
    # Test processes that run side by side share it.
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


@pytest.fixture(scope="session")
def tiny_run(compiled, tmp_path_factory):
    """The tiny data set and the commands on it."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny.write_csv(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
    server = ForkServer(**tiny.environment(compiled))
    yield tiny.Tiny(folder / "data", compiled, server)
    server.close()


@pytest.fixture(scope="session")
def never_killed(tiny_run, tmp_path_factory):
    """The workdir of a run from beginning to end."""
    workdir = tmp_path_factory.mktemp("never_killed") / "run"
    tiny_run.run(workdir)
    return workdir


@pytest.fixture
def few_blocks(monkeypatch):
    """Networks of many blocks have one or two of each kind: blocks more are no other layers."""
    monkeypatch.setattr(convnext, "BLOCKS", (1, 1, 2, 1))
    # The tables of PyTorch's names are made when they are imported, and keep all blocks.
    importlib.import_module("ferjax.interop.torch_names.resnet")
    monkeypatch.setattr(resnet, "STAGES", dict.fromkeys(resnet.STAGES, (1, 1, 1, 1)))


@pytest.fixture
def tiny_model():
    """Registers the tiny network."""
    with tiny.registered():
        yield


@pytest.fixture(scope="session")
def shell(tiny_run):
    """Runs `python -m ferjax` with some arguments, in a fork of a process that has imported the libraries."""

    def run(*arguments):
        answer = tiny_run.server.ask(run=list(map(str, arguments)))
        return subprocess.CompletedProcess(arguments, *answer)

    return run


@pytest.fixture(scope="module")
def tiny_registered():
    with tiny.registered():
        yield


@pytest.fixture(scope="module")
def colour_run(tiny_registered, tmp_path_factory):
    """A workdir of a network with random weights that takes colours."""
    return write_run(tmp_path_factory.mktemp("colour") / "run", data__name="toons/avataaars")


@pytest.fixture(scope="session")
def astronaut():
    """Eileen Collins, NASA, public domain: uint8 [512, 512, 3], one face."""
    from skimage import data

    return data.astronaut()
