import numpy as np
import pytest
import tiny
from PIL import Image

from ferjax.data.labels import FER7
from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.report import augment_sheet


@pytest.fixture(scope="module")
def source():
    images = np.random.default_rng(0).integers(0, 256, (40, 20, 20, 3), dtype=np.uint8)
    labels = np.repeat([3, 0, 1, 5], 10)  # happy, angry, disgust, surprise
    return MemorySource(images, labels, label_names=FER7, name="random", split="train")


def configuration(**fields):
    config = tiny.tiny_configuration()
    off = {name: type(value)() for name, value in config.augment.items()}
    config.augment.update(off)
    config.augment.update(fields)
    return config


@pytest.mark.slow
def test_a_row_for_each_option_that_is_on(source):
    lines = augment_sheet.rows(source, configuration(flip=True, rotate=30.0, mixup=0.4))
    assert [(line.title, line.note) for line in lines] == [
        ("original", ""), ("flip", ""), ("rotate", "± 30°"), ("mixup", "alpha = 0.4"),
        ("all together", "step 0"), ("", "step 1"),
    ]  # fmt: skip
    original = lines[0]
    assert original.captions == ["angry", "disgust", "happy", "surprise"] * 2
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(lines[1].images, original.images, strict=True)]
    assert 0 < sum(flipped) < 8
    assert all(not np.array_equal(a, b) for a, b in zip(lines[2].images, original.images, strict=True))
    assert any("·" in caption for caption in lines[3].captions)
    assert not np.array_equal(lines[4].images, lines[5].images)


@pytest.mark.slow
def test_every_option_of_the_config_has_a_row(source):
    config = configuration()
    config.augment.update(
        {name: type(value)(0.5) for name, value in config.augment.items() if name != "extra"}
    )
    config.augment.update(randaugment=2, extra="gaussian_blur=0.1,gamma=0.5")
    lines = augment_sheet.rows(source, config)
    # The original, one a field (randaugment's two share theirs, extra has two), and all together twice.
    assert len(lines) == 1 + len(config.augment) - 1 + 1 + 2
    assert [(line.title, line.note) for line in lines[-4:-2]] == [("gaussian blur", "0.1"), ("gamma", "0.5")]
    assert all(not np.array_equal(line.images, lines[0].images) for line in lines[-4:-2])


def test_a_larger_source_is_cropped(source):
    config = configuration(flip=True)
    config.data.update(source_size=20, image_size=16)
    lines = augment_sheet.rows(source, config)
    assert (lines[1].title, lines[1].note) == ("crop", "20 → 16 pixels")
    assert [line.images.shape[1] for line in lines] == [20, 16, 16, 16, 16]


def test_the_tiles_are_the_images(source):
    config = configuration(flip=True)
    lines = augment_sheet.rows(source, config)
    picture = np.asarray(augment_sheet.draw(lines))
    tile = 20 * round(augment_sheet._TILE / 20)
    x, y = augment_sheet._TITLE_WIDTH, 2 * augment_sheet._GAP
    shown = picture[y : y + tile, x : x + tile][:: tile // 20, :: tile // 20]
    np.testing.assert_array_equal(shown, lines[0].images[0])
    assert (picture[y : y + tile, :x] != 255).any()  # the title


@pytest.mark.slow
def test_the_command(tiny_run, shell, tmp_path):
    arguments = [f"--config={tiny.CONFIG}", f"--config.data.dir={tiny_run.data}"]
    done = shell("augment-sheet", *arguments, f"--out={tmp_path / 'new' / 'sheet.png'}")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "new" / "sheet.png") as picture:
        assert picture.width > 800
    for more, words in (
        ([f"--out={tmp_path / 'sheet.txt'}"], "does not end in .png or .jpg"),
        ([f"--out={tmp_path}/x.png", "--config.augment.hue=0.7"], "must be at least 0 and at most 0.5"),
        ([f"--out={tmp_path}/x.png", "surplus"], "unexpected argument"),
        ([f"--out={tmp_path / 'new' / 'sheet.png' / 'x.png'}"], "cannot write"),
    ):  # fmt: skip
        assert words in tiny.only_line(shell("augment-sheet", *arguments, *more))


def test_an_unknown_set_is_told():
    config = configuration(flip=True)
    config.data.name = "fer2031"
    with pytest.raises(UserError, match="fer2013"):
        augment_sheet.sheet(config)
