"""The examples of docs/extend.md: each file is taken from the page, put into an empty folder and used."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r'^```python title="(.*?)"\n(.*?)^```', PAGE, flags=re.MULTILINE | re.DOTALL))
COMMANDS = [
    line.removeprefix("python -m ferjax ").split()
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mylab(tmp_path_factory):
    """Makes the folder in which the commands start: the page's package, and photographs for its data set."""
    folder = tmp_path_factory.mktemp("mylab")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    generator = np.random.default_rng(0)
    for split, people in (("train", ("anna", "bela", "carl", "dora")), ("test", ("emil", "fine"))):
        (folder / "photographs" / split).mkdir(parents=True)
        for person in people:
            for code in "hns":
                pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "photographs" / split / f"{person}_{code}_01.png")
    return folder


@pytest.fixture(scope="module")
def shell(tiny_run, mylab):
    """Runs `python -m ferjax` with some arguments in the folder of the page's package."""

    def run(*arguments):
        answer = tiny_run.server.ask(run=list(map(str, arguments)), folder=str(mylab))
        return subprocess.CompletedProcess(arguments, *answer)

    return run


@pytest.fixture(scope="module")
def train(shell, tiny_run, mylab):
    """Runs a command of the page for two steps on small images; its rows of `metrics.jsonl`."""

    def run(command):
        own_data = [] if "--config.data.dir=built" in command else [
            "--config.data.name=fer2013", f"--config.data.dir={tiny_run.data}",
        ]  # fmt: skip
        done = shell(
            *command, *own_data, "--config.data.image_size=16", "--config.train.batch_size=4",
            "--config.train.max_steps=2", "--config.train.log_every=1", "--noreport",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (workdir,) = (mylab / part.removeprefix("--workdir=") for part in command if "--workdir=" in part)
        assert tiny.result(workdir)["steps"] == 2
        return [row for row in tiny.rows(workdir) if row["split"] == "train"]

    return run


def command_with(text):
    """The page's one command with this argument."""
    (command,) = (command for command in COMMANDS if text in command)
    return command


@pytest.fixture(scope="module")
def unchanged(train):
    """The rows of the page's network with the losses, optimizers, … that ferjax has."""
    return train(command_with("--workdir=runs/tiny_net"))


def test_a_network(unchanged, train):
    assert len(unchanged) == 2
    wide = train(command_with("--workdir=runs/tiny_net_32"))
    assert wide[0]["loss"] != unchanged[0]["loss"]


def test_a_data_set(shell, train):
    done = shell(*command_with("--manual_dir=photographs"))
    assert done.returncode == 0, done.stderr
    assert "all numbers are the published ones" in done.stdout
    train(command_with("--workdir=runs/smiles"))


def test_a_loss(unchanged, train):
    rows = train(command_with("--workdir=runs/gce"))
    assert 0 < rows[0]["loss"] < 1 / 0.7 < unchanged[0]["loss"]  # the largest it can be, at p = 0


def test_an_optimizer(unchanged, train):
    rows = train(command_with("--workdir=runs/lion"))
    assert rows[0]["loss"] == unchanged[0]["loss"]
    assert rows[1]["loss"] != unchanged[1]["loss"]


def test_a_schedule(train):
    rows = train(command_with("--workdir=runs/polynomial"))
    assert [row["learning_rate"] for row in rows] == pytest.approx([3e-3, 3e-3 / 4])


def test_options(train, mylab):
    rows = train(command_with("--workdir=runs/options"))
    assert [row["learning_rate"] for row in rows] == pytest.approx([3e-3, 3e-3 / 2])
    assert json.loads((mylab / "runs/options/config.json").read_text())["loss"]["options"] == {"q": 0.5}


def test_an_augmentation(unchanged, train):
    rows = train(command_with("--workdir=runs/noise"))
    assert rows[0]["loss"] != unchanged[0]["loss"]


def test_a_verb(shell, tiny_run):
    verb, _, *flags = command_with("--split=test")
    done = shell(verb, "fer2013", *flags, f"--data_dir={tiny_run.data}")
    assert done.returncode == 0, done.stderr
    counts = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert (len(counts), sum(counts)) == (7, tiny.SPLITS["PrivateTest"])
    helped = shell(verb, "--help").stdout
    assert "prints how often each class of a data set occurs" in helped
    assert "--split: train, validation or test." in helped


def test_every_command_of_the_page_is_tried():
    tried = Path(__file__).read_text()
    assert [command for command in COMMANDS if not any(f'"{part}"' in tried for part in command)] == []
