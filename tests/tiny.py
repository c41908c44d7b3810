"""A network, a data set and commands that are small enough to train to the end in a test."""

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import tiny_config
from flax.typing import Dtype
from fork_server import Forked, ForkServer
from jax import Array
from ml_collections import ConfigDict

from ferjax.cluster.mesh import make_mesh
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.registry import NETWORKS, NetworkFacts
from ferjax.runs.checkpoints import Checkpoints
from ferjax.training import setup
from ferjax.training.splits import load_split

HERE = Path(__file__).parent
CONFIG = HERE / "tiny_config.py"
SPLITS = {"Training": 140, "PublicTest": 35, "PrivateTest": 28}
# What two runs of the same numbers may differ in.
UNSTEADY = {
    "seconds", "images_per_second", "data_wait_fraction", "peak_memory_bytes", "date", "versions", "device",
}  # fmt: skip
LONGEST = 600  # seconds until a command that hangs is killed


class TinyNet(nn.Module):
    """Convolution, batch statistics and dropout, as a real network has."""

    num_classes: int = 7
    features: int = 8
    dropout: float = 0.2
    norm: bool = True
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        x = Conv(self.features, 3, padding=1, dtype=self.dtype, name="conv1")(images)
        if self.norm:
            x = BatchNorm(name="bn1")(x, train)
        x = nn.relu(max_pool_2x2(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = nn.relu(Conv(2 * self.features, 3, stride=2, padding=1, dtype=self.dtype, name="conv2")(x))
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(global_average_pool(x))


FACTS = NetworkFacts(smallest=4, usual=16, source="these tests")


def register() -> None:
    """Makes the network known as `tiny`."""
    NETWORKS.add("tiny", TinyNet, FACTS)


def write_csv(folder: Path) -> None:
    """FER2013's CSV with patterns in noise: it can be learnt, but not in one epoch."""
    generator = np.random.default_rng(0)
    patterns = np.kron(generator.uniform(90, 166, (7, 8, 8)), np.ones((6, 6)))
    usages = [usage for usage, count in SPLITS.items() for _ in range(count)]
    labels = np.minimum(np.arange(len(usages)) % 10, 6)  # the last class is four times as frequent
    images = patterns[labels] + generator.normal(0, 50, (len(usages), 48, 48))
    images = images.clip(0, 255).astype(np.uint8).reshape(len(usages), -1)
    lines = [
        f"{label},{' '.join(map(str, image))},{usage}"
        for label, image, usage in zip(labels, images, usages, strict=True)
    ]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))


def train_arguments(data: Path, workdir: Path, *flags: str) -> list[str]:
    """The arguments of the command that trains the tiny network."""
    return [
        "train", f"--config={CONFIG}", f"--workdir={workdir}", f"--config.data.dir={data}", "--noreport",
        *flags,
    ]  # fmt: skip


def environment(compiled: Path) -> dict[str, str]:
    """The variables of a command's process."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(HERE.parent),  # this checkout's ferjax, in whatever one it is installed
        "PYTHONUNBUFFERED": "1",
    }


def separate_process(arguments: list[str], compiled: Path, **more: str) -> subprocess.Popen:
    """Starts `run_tiny.py` from the beginning, without the server."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "run_tiny.py"), *arguments],
        env={**os.environ, **environment(compiled), **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Command:
    """A started command, whose output is read line by line."""

    def __init__(self, process: subprocess.Popen | Forked) -> None:
        self.process = process
        self.lines: list[str] = []
        self._alarm = threading.Timer(LONGEST, self.process.kill)
        self._alarm.start()

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self._alarm.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def reaches(self, step: int) -> bool:
        """Reads until a line tells of this training step or a later one; False if the output ends before."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            found = re.match(r"step +([\d,]+)/", line)
            if found and int(found[1].replace(",", "")) >= step:
                return True
        return False

    def finish(self) -> int:
        """Reads to the end; the exit code."""
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait()

    @property
    def text(self) -> str:
        """All output so far."""
        return "\n".join(self.lines)


@dataclasses.dataclass(frozen=True)
class Tiny:
    """The data set, the folder of compiled programs that all commands share, and the server of commands."""

    data: Path
    compiled: Path
    server: ForkServer

    def start(self, workdir: Path, *flags: str, **environment: str) -> Command:
        """Starts the verb train."""
        arguments = train_arguments(self.data, workdir, *flags)
        if any(name.startswith("JAX_") for name in environment):  # read when JAX is imported
            return Command(separate_process(arguments, self.compiled, **environment))
        return Command(Forked(self.server, arguments, **environment))

    def run(self, workdir: Path, *flags: str, **environment: str) -> str:
        """Runs the verb train to its end, which must be a good one; the output."""
        with self.start(workdir, *flags, **environment) as command:
            assert command.finish() == 0, command.text
            return command.text

    def config(self, **fields: Any) -> ConfigDict:
        """See `tiny_configuration`; with the data set's folder."""
        return tiny_configuration(**{"data__dir": str(self.data), **fields})


def tiny_configuration(**fields: Any) -> ConfigDict:
    """The configuration of `tiny_config.py`; `train__epochs=1.0` sets `train.epochs`."""
    config = tiny_config.get_config()
    config.update_from_flattened_dict({name.replace("__", "."): value for name, value in fields.items()})
    return config


def rows(workdir: Path) -> list[dict]:
    """The objects of `metrics.jsonl`."""
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def steady(values: Any) -> Any:
    """What must be the same in two runs of the same numbers: a result's or a list of rows' numbers."""
    if isinstance(values, list):
        return [steady(value) for value in values]
    return {name: value for name, value in values.items() if name not in UNSTEADY}


def result(workdir: Path) -> dict:
    """The steady part of `result.json`."""
    return steady(json.loads((workdir / "result.json").read_text()))


def plain_tree(tree: Any) -> dict[str, np.ndarray]:
    """Path → array, typed keys as their data."""

    def plain(leaf: Any) -> np.ndarray:
        is_key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): plain(leaf) for path, leaf in leaves}


def newest(workdir: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the counters of a workdir's newest checkpoint."""
    config = ConfigDict(json.loads((workdir / "config.json").read_text()))
    config.mesh.update(data=-1, fsdp=1)
    with registered():
        parts = setup.assemble(config, load_split(config, "train"), make_mesh(config.mesh))
    checkpoints = Checkpoints(workdir, config.model.name, keep=99)
    with contextlib.closing(checkpoints):
        state, meta = checkpoints.restore_newest(parts.like)
    return plain_tree(state), meta


@contextlib.contextmanager
def optimised() -> Iterator[None]:
    """Compiles as for training inside, which the tests otherwise do not."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """The network is known as `tiny` inside."""
    with NETWORKS.replaced("tiny", TinyNet, FACTS):
        yield


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    """Two trees are equal in every bit."""
    assert first.keys() == second.keys()
    differing = [name for name in first if first[name].tobytes() != second[name].tobytes()]
    assert not differing


def assert_near(first: Any, second: Any, **tolerance: float) -> None:
    """Two trees are equal up to a tolerance."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), first, second)


def assert_once(workdir: Path, log_every: int = 1) -> None:
    """Every training step is in `metrics.jsonl`, nothing is there twice, and the test is its end."""
    found = [(row["step"], row["split"]) for row in rows(workdir)]
    assert len(set(found)) == len(found)
    steps = [step for step, split in found if split == "train"]
    assert steps == list(range(1, json.loads((workdir / "result.json").read_text())["steps"] + 1, log_every))
    assert [split for _, split in found].count("test") == 1
    assert found[-1][1] == "test"


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file, or of every file in a folder; twice: as it was."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 0x10
            file.write_bytes(content)


def only_line(done: subprocess.CompletedProcess) -> str:
    """The error of a command that failed for bad input: the last line, after notes and warnings."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    *before, line = done.stderr.strip().splitlines()
    assert line.startswith("ferjax: error: ")
    assert not [other for other in before if other.startswith("ferjax: error: ")]
    return line.removeprefix("ferjax: error: ")
