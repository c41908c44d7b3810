import hashlib
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from ferjax.data.builders.build_once import build_once
from ferjax.data.labels import FER7, FER8
from ferjax.data.seeded import Draws
from ferjax.data.sets.toons import Toons, ToonsConfig
from ferjax.data.toons import workers
from ferjax.data.toons.attributes import SKINS, attributes
from ferjax.data.toons.conditions import draw_light, occlude
from ferjax.data.toons.plan import class_counts, drawn_labels, identity_of, noisy_labels
from ferjax.data.toons.pose import IDENTITY, draw_pose, part_boxes
from ferjax.data.toons.render import definition, draw_example, draw_face
from ferjax.data.toons.table import AVATAAARS, OPEN_PEEPS, SPLITS, STYLES
from ferjax.data.toons.workers import draw_split

STYLE_NAMES = tuple(STYLES)
PARTS = ("brow_left", "brow_right", "eye_left", "eye_right", "nose", "mouth")

# ---------------------------------------------------------------- the tables


def test_label_spaces():
    assert AVATAAARS.names == FER7
    assert OPEN_PEEPS.names == FER8
    for style in STYLES.values():
        assert tuple(style.recipes) == style.names
        for split in SPLITS:
            drawn = [name for name, count in class_counts(style.name, split).items() if count]
            assert drawn == [name for name in style.names if style.recipes[name]]
    assert OPEN_PEEPS.recipes["disgust"] == ()


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_variant_is_in_the_installed_style(style):
    components = definition(style).components()
    for recipe in itertools.chain(*STYLES[style].recipes.values()):
        for part, variants in recipe.items():
            assert variants
            assert set(variants) <= set(components[part].variants())
    for part, (_, variants) in STYLES[style].identity.items():
        assert set(variants) <= set(components[part].variants())


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_no_face_belongs_to_two_classes(style):
    owners: dict[tuple[str, ...], str] = {}
    for name, recipes in STYLES[style].recipes.items():
        for recipe in recipes:
            for face in itertools.product(*recipe.values()):
                assert owners.setdefault(face, name) == name


def test_every_class_of_avataaars_shares_each_part_with_others():
    for part in ("eyebrows", "eyes", "mouth"):
        seen = {
            name: {variant for recipe in recipes for variant in recipe[part]}
            for name, recipes in AVATAAARS.recipes.items()
        }
        for name, variants in seen.items():
            others = set().union(*(seen[other] for other in seen if other != name))
            assert variants & others, (part, name)


def test_sizes_and_imbalance():
    sizes = {(style, split): len(drawn_labels(style, split)) for style in STYLES for split in SPLITS}
    assert [sizes["avataaars", split] for split in SPLITS] == [4200, 700, 1400]
    assert [sizes["open_peeps", split] for split in SPLITS] == [1400, 350, 700]
    train = class_counts("avataaars", "train")
    assert 7 < max(train.values()) / min(train.values()) < 9
    assert min(class_counts("avataaars", "test").values()) >= 60


def test_no_identity_in_two_splits():
    for style in STYLES:
        people = [{identity_of(style, s, i) for i in range(len(drawn_labels(style, s)))} for s in SPLITS]
        assert not any(a & b for a, b in itertools.combinations(people, 2))
        assert len(people[0]) == -(-len(drawn_labels(style, "train")) // STYLES[style].images_per_identity)


def test_label_noise_changes_exactly_its_share():
    clean = drawn_labels("open_peeps", "train")
    noisy = noisy_labels("open_peeps", clean, 0.1)
    assert (noisy != clean).sum() == 140
    assert FER8.index("disgust") not in noisy
    np.testing.assert_array_equal(noisy, noisy_labels("open_peeps", clean, 0.1))
    np.testing.assert_array_equal(clean, noisy_labels("open_peeps", clean, 0.0))


# ---------------------------------------------------------------- draws


def test_draws_are_pinned():
    draws = Draws("a", 1)
    assert [draws.below(1000) for _ in range(4)] == [416, 153, 644, 497]
    assert Draws("a", 1).unit() != Draws("a", 2).unit()
    assert sorted(Draws("order").order(50)) == list(range(50))
    noise = Draws("noise").noise((64, 64, 3))
    assert noise.shape == (64, 64, 3)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02


# ---------------------------------------------------------------- pictures


def _pixels(style, split, index):
    label = STYLES[style].names[drawn_labels(style, split)[index]]
    return draw_example(style, split, index, label)


@pytest.mark.parametrize(
    ("style", "split", "expected"),
    [
        ("avataaars", "train", "38a4ffe544bdcb23"),
        ("avataaars", "test", "b427abcca81290a5"),
        ("open_peeps", "train", "52156910d386ddc0"),
        ("open_peeps", "test", "67944e28ced10a5a"),
    ],
)
def test_pixels_are_pinned(style, split, expected):
    digest = hashlib.sha256()
    for index in (0, 1, 7):
        pixels, pose, parts, _ = _pixels(style, split, index)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert pose.dtype == np.float32
        digest.update(pixels.tobytes())
        digest.update(json.dumps(parts, sort_keys=True).encode())
    assert digest.hexdigest()[:16] == expected


def test_parts_name_a_recipe_of_the_class():
    for style, index in itertools.product(STYLES, range(12)):
        name = STYLES[style].names[drawn_labels(style, "test")[index]]
        _, _, parts, _ = _pixels(style, "test", index)
        assert any(
            all(parts[part] in variants for part, variants in recipe.items())
            for recipe in STYLES[style].recipes[name]
        )


def test_one_person_keeps_hair_and_colours():
    people = [_pixels("avataaars", "train", index)[2] for index in range(6)]
    hair = [(parts["top"], parts["clothes"]) for parts in people]
    assert hair[0] == hair[1] == hair[2]
    assert hair[3] == hair[4] == hair[5]


# ---------------------------------------------------------------- poses and boxes

BALD = {
    "avataaars": {"top": "sides", "accessories": None, "facialHair": None, "clothes": "hoodie"},
    "open_peeps": {"head": "noHair1", "accessories": None, "facialHair": None, "mask": None},
}


def _ink_outside(images, boxes):
    """How many pixels differ between the images and lie outside all boxes."""
    differs = (images.max(axis=0).astype(int) - images.min(axis=0)).max(axis=-1) > 30
    for x0, y0, x1, y1 in boxes:
        rows, columns = slice(max(int(y0), 0), int(np.ceil(y1))), slice(max(int(x0), 0), int(np.ceil(x1)))
        differs[rows, columns] = False
    return differs.sum()


def _poses(style):
    return [IDENTITY, *(draw_pose(Draws("pose", i), STYLES[style].conditions) for i in range(3))]


@pytest.mark.parametrize("part", ["mouth", "eyes", "eyebrows"])
def test_boxes_of_avataaars_hold_their_parts_in_any_pose(part):
    face = {"eyebrows": "default", "eyes": "default", "mouth": "serious", **BALD["avataaars"]}
    variants = {v for recipe in itertools.chain(*AVATAAARS.recipes.values()) for v in recipe[part]}
    boxes_of = {"mouth": ["mouth"], "eyes": PARTS[2:4], "eyebrows": PARTS[:2]}[part]
    for pose in _poses("avataaars"):
        images = np.stack([draw_face("avataaars", face | {part: v}, "x", pose) for v in sorted(variants)])
        boxes = part_boxes("avataaars", pose)
        assert _ink_outside(images, [boxes[box] for box in boxes_of]) == 0


def test_boxes_of_open_peeps_hold_the_expressions_in_any_pose():
    variants = {v for recipe in itertools.chain(*OPEN_PEEPS.recipes.values()) for v in recipe["expression"]}
    variants.remove("smileLOL")  # its tears run down the cheeks
    for pose in _poses("open_peeps"):
        images = np.stack(
            [
                draw_face("open_peeps", {"expression": v, **BALD["open_peeps"]}, "x", pose)
                for v in sorted(variants)
            ]
        )
        assert _ink_outside(images, part_boxes("open_peeps", pose).values()) == 0


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_part_boxes(style):
    assert part_boxes(style) == STYLES[style].boxes
    assert tuple(part_boxes(style)) == PARTS
    mirror = np.array([[-1, 0, 64], [0, 1, 0]], np.float32)
    x0, y0, x1, y1 = STYLES[style].boxes["mouth"]
    assert part_boxes(style, mirror)["mouth"] == (64 - x1, y0, 64 - x0, y1)
    for i in range(200):
        boxes = part_boxes(style, draw_pose(Draws("box", i), STYLES[style].conditions))
        for x0, y0, x1, y1 in boxes.values():
            assert -3 < x0 < x1 < 67
            assert -3 < y0 < y1 < 67


def test_occlusion_leaves_the_class_to_be_seen():
    boxes = part_boxes("avataaars")
    image = np.zeros((64, 64, 3), np.uint8)
    changed = [occlude(image, boxes, Draws("occlude", i), AVATAAARS.conditions).any(-1) for i in range(300)]
    assert 0.2 < np.mean([mask.any() for mask in changed]) < 0.4
    x0, y0, x1, y1 = map(round, boxes["mouth"])
    assert max(mask[y0:y1, x0:x1].mean() for mask in changed) <= 0.31


def test_attributes_are_what_the_picture_was_drawn_with():
    conditions = AVATAAARS.conditions
    person = {"top": "hijab", "accessories": "round", "facialHair": None}
    light = draw_light(Draws("light"), conditions)
    dark = light._replace(brightness=np.float32(-conditions.brightness))
    # Mirrored, and turned by 14 degrees.
    turned = np.array([[-0.97, -0.24, 40], [-0.24, 0.97, 0]], np.float32)
    assert attributes(AVATAAARS, person, "#614335", turned, dark) == {
        "skin": "dark", "hair": "covered", "glasses": "yes", "beard": "no", "pose": "tilted", "light": "dark",
    }  # fmt: skip
    bald = {"head": "noHair1", "accessories": None, "facialHair": "chin"}
    even = light._replace(brightness=np.float32(0))
    assert attributes(OPEN_PEEPS, bald, "#ffdbb4", IDENTITY, even) == {
        "skin": "pale", "hair": "none", "glasses": "no", "beard": "yes", "pose": "upright", "light": "usual",
    }  # fmt: skip


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_skin_of_the_installed_style_has_a_group(style):
    palette = definition(style).colors()["skin"].values()
    assert set(palette) <= SKINS.keys()


# ---------------------------------------------------------------- workers and the builder


@pytest.mark.slow
def test_workers_do_not_change_the_images():
    one = list(draw_split("open_peeps", "validation", 0.03, workers=1))
    two = list(draw_split("open_peeps", "validation", 0.03, workers=2))
    assert [a.png for a in one] == [b.png for b in two]
    assert [a.parts for a in one] == [b.parts for b in two]
    np.testing.assert_array_equal([a.pose for a in one], [b.pose for b in two])


def test_a_dead_worker_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="died"):
        list(draw_split("open_peeps", "validation", 0.03, workers=2))


TINY = {"style": "open_peeps", "fraction": 0.01, "label_noise": 0.5}


def _tiny(folder, **changes):
    config = ToonsConfig(name="tiny", **(TINY | changes))
    return Toons(config=config, data_dir=folder, file_format="array_record")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    builder = _tiny(tmp_path_factory.mktemp("toons"))
    build_once(builder)
    return builder


def test_builder_writes_what_it_drew(tiny):
    people = []
    for split in SPLITS:
        counts = class_counts("open_peeps", split, 0.01)
        examples = list(tiny.as_data_source(split))
        assert len(examples) == sum(counts.values())
        clean = np.bincount([example["clean_label"] for example in examples], minlength=8)
        assert dict(zip(FER8, clean.tolist(), strict=True)) == counts
        wrong = sum(example["label"] != example["clean_label"] for example in examples)
        assert wrong == (round(len(examples) * 0.5) if split == "train" else 0)
        people.append({int(example["identity"]) for example in examples})
        for example in examples:
            assert example["image"].shape == (64, 64, 3)
            assert example["image"].dtype == np.uint8
            assert example["pose"].shape == (2, 3)
            assert "expression" in json.loads(example["parts"])
            assert json.loads(example["attributes"]).keys() == {
                "skin", "hair", "glasses", "beard", "pose", "light",
            }  # fmt: skip
    assert not any(a & b for a, b in itertools.combinations(people, 2))
    assert tuple(tiny.info.features["label"].names) == FER8


def test_copies_of_test_images_are_planted_in_train(tmp_path):
    builder = _tiny(tmp_path, copies=0.3, label_noise=0.0)
    build_once(builder)
    sources = {split: builder.as_data_source(split) for split in ("train", "test")}
    train, test = (
        {example["image"].tobytes(): example["label"] for example in sources[split]} for split in sources
    )
    shared = train.keys() & test.keys()
    assert len(shared) == round(0.3 * len(sources["test"])) > 0
    assert len(sources["train"]) == sum(class_counts("open_peeps", "train", 0.01).values()) + len(shared)
    assert all(train[image] == test[image] for image in shared)


def test_the_same_set_is_built_twice(tiny, tmp_path):
    again = _tiny(tmp_path)
    build_once(again)
    for one, two in zip(tiny.as_data_source("train"), again.as_data_source("train"), strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], two[key])


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    def break_off(*arguments):
        yield from itertools.islice(draw_split(*arguments), 3)
        raise RuntimeError("no more ink")

    builder = _tiny(tmp_path)
    monkeypatch.setattr(workers, "draw_split", break_off)
    with pytest.raises(RuntimeError, match="no more ink"):
        build_once(builder)
    assert not builder.data_path.exists()
    monkeypatch.undo()
    leftover = builder.data_path.parent / "incomplete.ABCDEF_1.0.0"
    leftover.mkdir()
    build_once(_tiny(tmp_path))
    assert builder.data_path.exists()
    assert not leftover.exists()


BUILD_TINY = """
import sys
from ferjax.data.builders.build_once import build_once
from ferjax.data.sets.toons import Toons, ToonsConfig
config = ToonsConfig(name="tiny", style="open_peeps", fraction=0.01)
builder = Toons(config=config, data_dir=sys.argv[1], file_format="array_record")
build_once(builder)
assert len(builder.as_data_source("test")) > 5
assert not {"jax", "tensorflow"} & set(sys.modules)
"""


@pytest.mark.slow
def test_processes_that_build_at_once_do_not_disturb_each_other(tmp_path):
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", BUILD_TINY, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [build.communicate(timeout=120) for build in builds]
    assert [build.returncode for build in builds] == [0, 0], outputs
    assert [output for output, _ in outputs] == [b"", b""]
    assert sum(b"drawing toons/tiny" in errors for _, errors in outputs) == 1
