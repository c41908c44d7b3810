"""What a builder stores, and the options that change it."""

import io
import subprocess
import sys

import numpy as np
import pytest
from copies import faces
from PIL import Image

from ferjax.data import builders
from ferjax.errors import UserError

RAF_LIST = "basic/EmoLabel/list_patition_label.txt"


def of(layout):
    return pytest.mark.parametrize("copy", [layout], indirect=True)


@of("folder classes")
def test_the_users_names_are_mapped_as_asked(copy):
    for name in ("Grinning", "bored"):
        faces.save(copy.manual / name / "0.png", "happy")
    copy.prepare(options={"labels": "Grinning=happy,bored=none"})
    assert tuple(copy.info().features["label"].names)[-1] == "contempt"
    assert sum(label == "happy" for label, _ in copy.records()) == 4
    assert len(copy.records()) == copy.truth.examples.total() + 1


@of("folder classes")
def test_the_users_names_may_stay(copy):
    faces.save(copy.manual / "bored" / "0.png", "happy")
    copy.prepare(options={"space": "own"})
    wanted = ["ANGRY", "CONTEMPT", "Disgusted", "FEAR", "HAPPY", "NEUTRAL", "SAD", "SURPRISE", "bored"]
    assert copy.info().features["label"].names == wanted
    assert sum(label == "SAD" for label, _ in copy.records()) == 3


@pytest.mark.parametrize(
    ("copy", "options", "told"),
    [
        ("folder classes", {"space": "fer7"}, "contempt is not in fer7, which has angry"),
        ("folder classes", {"space": "fer9"}, "option space=fer9: it takes auto, own, fer7, fer8"),
        ("folder classes", {"labels": "bored"}, "'bored' is not NAME=CLASS"),
        ("folder classes", {"labels": "bored=sad"}, "option labels names bored, but the labels are 'ANGRY'"),
        ("folder classes", {"labels": "SAD=gloomy"}, "gloomy is not in fer8"),
        ("rafdb list", {"margin": "1"}, "rafdb has no option 'margin'; it has none"),
        ("expw", {"frames": "1"}, "expw has no option 'frames'; it has margin: what the square"),
        ("expw", {"margin": "wide"}, r"option margin=wide: it must be a number of 0 … 2"),
        ("affectnet7 old", {"margin": "nan"}, "option margin=nan"),
        ("ckplus sequences", {"frames": "0"}, "option frames=0: it must be a whole number of 1 … 10"),
    ],
    indirect=["copy"],
)
def test_bad_options(copy, options, told):
    copy.refused(told, options=options)


@pytest.mark.parametrize("copy", ["folder csv", "ckplus sequences", "rafdb list"], indirect=True)
def test_the_list_tells_how_much_there_is_to_do(copy):
    builder = builders.create(copy.name, copy.data, manual_dir=copy.manual)
    assert builder.expected == (15339 if copy.name == "rafdb" else None)  # published
    builders.build(builder)
    assert builder.expected == copy.truth.examples.total()


@of("ckplus sequences")
def test_ckplus_frames_and_neutral(copy):
    copy.prepare(options={"frames": "2", "neutral": "0"})
    names = [record["id"].decode()[-6:] for _, record in copy.records()]
    assert names == ["04.png", "05.png"] * 7
    with pytest.raises(UserError, match=r"built already, with frames=2: remove .* to build it with frames=3"):
        copy.prepare(options={"frames": "3"})
    assert len(copy.records()) == 14


@of("ckplus sequences")
def test_ckplus_faces_are_cut_by_the_landmarks(copy):
    for path in copy.manual.glob("cohn-kanade-images/*/*/*.png"):
        grey = Image.open(path).getpixel((0, 0))
        image = Image.new("L", (160, 122), 255)
        image.paste(grey, (40, 20, 120, 100))
        image.save(path)
        place = copy.manual / "Landmarks" / path.parent.relative_to(copy.manual / "cohn-kanade-images")
        place.mkdir(parents=True, exist_ok=True)
        points = "   6.0000000e+01   4.0000000e+01\n   1.0000000e+02   8.0000000e+01\n"
        (place / f"{path.stem}_landmarks.txt").write_text(points)
    copy.prepare()
    assert not any("Landmarks" in note for note in copy.info().metadata["notes"])
    for label, record in copy.records():
        image = np.asarray(Image.open(io.BytesIO(record["image"])))
        # 40 pixels between the points and a fifth on each side.
        assert image.shape == (56, 56)
        assert (image == faces.shade(label)).all()


@of("ferplus")
def test_ferplus_votes_are_shares_in_the_order_of_the_labels(copy):
    copy.prepare()
    for label, record in copy.records():
        votes = record["votes"]
        assert votes.dtype == np.float32
        assert votes.sum() == pytest.approx(1)
        assert faces.CLASSES[int(votes.argmax())] == label
    # 5 sad, 3 fear, and single votes that count for nothing
    np.testing.assert_allclose(copy.records()[-1][1]["votes"], [0, 0, 3 / 8, 0, 5 / 8, 0, 0, 0])


@of("folder splits")
def test_a_photograph_is_stored_upright_and_not_too_large(copy):
    copy.prepare()
    sizes = {}
    for _, record in copy.records("test"):
        with Image.open(io.BytesIO(record["image"])) as image:
            sizes[record["id"].decode()] = image.size
    assert sizes["test/happy/lying.jpg"] == (30, 50)
    assert sizes["test/anger/1.png"] == (256, 384)
    assert sizes["test/anger/0.png"] == (48, 48)


@of("rafdb list")
def test_an_image_that_fits_is_stored_byte_for_byte(copy):
    copy.prepare()
    _, record = copy.records()[0]
    assert record["image"] == (copy.manual / "basic/Image/aligned/train_00001_aligned.jpg").read_bytes()


@of("rafdb list")
def test_a_class_without_images_is_told(copy, capsys):
    lines = (copy.manual / RAF_LIST).read_text().splitlines()
    (copy.manual / RAF_LIST).write_text("\n".join(line for line in lines if not line.endswith(" 3")))
    copy.prepare()
    assert "note: train has no image of disgust" in capsys.readouterr().out


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ferjax", "prepare", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@of("folder classes")
def test_the_command_takes_options_and_tells_bad_input_in_one_line(copy):
    faces.save(copy.manual / "bored/0.png", "sad")
    archive = copy.manual.parent / "AffectNet.zip"
    archive.write_bytes(b"PK")
    for arguments, told in (
        (["folder/mine", f"--manual_dir={copy.manual}"], "no class is known for the labels 'bored'"),
        (
            ["folder/mine", f"--manual_dir={copy.manual}", "--option=space"],
            "--option=space: it takes NAME=VALUE",
        ),
        (["affectnet7", f"--manual_dir={archive}"], "is an archive: unpack it and name the folder"),
        (["folder/My Set"], "there is no data set 'folder/My Set'"),
        (["toons/avataaars", "--option=a=b"], "is drawn by ferjax: it takes no --manual_dir, no --option"),
    ):
        run = command(*arguments, f"--data_dir={copy.data}")
        assert (run.returncode, run.stdout) == (2, ""), run
        last = run.stderr.strip().splitlines()[-1]
        assert last.startswith("ferjax: error: ")
        assert told in last
        assert "Traceback" not in run.stderr
    run = command(
        "folder/mine",
        f"--manual_dir={copy.manual}",
        "--option=labels=bored=neutral",
        f"--data_dir={copy.data}",
    )
    assert run.returncode == 0, run.stderr
    assert ["train", "neutral", "4"] in [line.split() for line in run.stdout.splitlines()]
