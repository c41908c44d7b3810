"""Two sets crossed: the tiny FER2013, and a folder of the user's own that has contempt and no fear."""

import contextlib
import io
import json

import numpy as np
import pytest
import tiny
from PIL import Image

from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.experiments import crossdb
from ferjax.experiments.runs import Runner
from ferjax.inference.score_run import evaluate_run
from ferjax.report.claims import CROSS_DATABASE

pytestmark = pytest.mark.usefixtures("tiny_model")
CLASSES = ("angry", "disgust", "happy", "sad", "surprise", "neutral", "contempt")
SETS = ("fer2013", "folder/mine")


def build(name, folder, data, classes, **options):
    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("validation", 2), ("test", 2)):
        for label in classes:
            place = folder / split / label
            place.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    builders.build(builders.create(name, data, manual_dir=folder, **options))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder of three built sets."""
    folder = tmp_path_factory.mktemp("crossed")
    tiny.write_csv(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
        build("folder/mine", folder / "mine", folder / "data", CLASSES)
        build("folder/pets", folder / "pets", folder / "data", ("cat", "dog"), options={"space": "own"})
    return folder / "data"


def recipe(data):
    return tiny.tiny_configuration(data__dir=str(data), checkpoint__every_steps=0, train__max_steps=3)


@pytest.fixture(scope="module")
def crossed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with tiny.registered():
        return folder, crossdb.crossdb(recipe(data), SETS, folder, 2)


@pytest.mark.slow
def test_every_network_is_tested_on_every_set_with_masks(crossed):
    folder, found = crossed
    cells = {(cell["trained_on"], cell["tested_on"]): cell for cell in found["cells"]}
    assert set(cells) == {(a, b) for a in SETS for b in SETS}
    own = json.loads((folder / "fer2013" / "seed-1" / "result.json").read_text())
    assert cells["fer2013", "fer2013"]["scores"]["accuracy"][1] == own["test"]["accuracy"]
    there = cells["fer2013", "folder/mine"]
    assert (there["masked"], there["dropped"], there["images"]) == (["fear"], {"contempt": 2}, 12)
    back = cells["folder/mine", "fer2013"]
    # The folder's space is fer8, because of contempt; nobody is afraid in it.
    assert (back["masked"], back["dropped"], back["images"]) == (["contempt"], {}, 28)
    again = evaluate_run(folder / "fer2013" / "seed-0", "folder/mine")
    assert again["test"]["accuracy"] == there["scores"]["accuracy"][0]
    assert json.loads((folder / "crossdb.json").read_text())["sets"] == list(SETS)


@pytest.mark.slow
def test_the_matrix_has_intervals_masks_and_the_papers_beside_it(crossed):
    _, found = crossed
    text = crossdb.table(found)
    assert "2 seeds, mean ± 95% (Student)" in text
    assert text.count("±") >= 5
    assert (
        "masked, for the set has none: fear; not scored, for the network lacks the class: 2 contempt" in text
    )
    assert "Claimed by Huang et al. (2023)" in text
    assert "not measured here" in text
    for share in CROSS_DATABASE.values():
        assert f"{100 * share:.2f}%" in text


@pytest.mark.slow
def test_finished_runs_are_read_again(crossed, data):
    folder, found = crossed
    runner = Runner()
    assert crossdb.crossdb(recipe(data), SETS, folder, 1, runner)["cells"][1]["scores"] == {
        name: values[:1] for name, values in found["cells"][1]["scores"].items()
    }
    assert runner.prepared == 0


def test_bad_input_is_told_before_anything_is_trained(data, tmp_path):
    for sets, words in (
        (["fer2013"], "at least two different sets, got fer2013"),
        (["fer2013", "fer2013"], "at least two different sets"),
        (["fer2013", "folder/pets"], "cannot be crossed: the network's classes .* have none in common"),
        (["fer2013", "fer2031"], "there is no data set 'fer2031'"),
        (["fer2013", "rafdb"], "rafdb is not built"),
    ):
        with pytest.raises(UserError, match=words):
            crossdb.crossdb(recipe(data), sets, tmp_path)
    with pytest.raises(UserError, match="with 0 seeds trains nothing"):
        crossdb.crossdb(recipe(data), SETS, tmp_path, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command(data, crossed, tmp_path, shell):
    folder, _ = crossed
    flags = [f"--config={tiny.CONFIG}", f"--config.data.dir={data}", "--config.train.max_steps=3"]
    same = [*flags, "--config.checkpoint.every_steps=0", f"--workdir={folder}"]
    done = shell("crossdb", *same, f"--sets={','.join(SETS)}", "--seeds=2")
    assert done.returncode == 0, done.stderr
    assert (folder / "crossdb.md").read_text() in done.stdout
    for arguments, words in (
        (["--sets=fer2013,folder/pets"], "none in common"),
        (["surplus"], "unexpected argument"),
    ):
        line = tiny.only_line(shell("crossdb", *flags, f"--workdir={tmp_path}", *arguments))
        assert words in line
