import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.seeded import Draws
from ferjax.data.toons.pose import IDENTITY, SIZE, draw_pose
from ferjax.data.toons.render import draw_face
from ferjax.data.toons.table import AVATAAARS, STYLES
from ferjax.errors import UserError
from ferjax.explain.face_regions import (
    FACE,
    REGIONS,
    on_canonical,
    part_map,
    region_maps,
    silhouette,
    style_of,
)

NUMBER = {name: number for number, name in enumerate(REGIONS)}
PERSON = {"top": "sides", "accessories": None, "facialHair": None, "clothes": "hoodie"}
FACE_OF = {
    "avataaars": {"eyebrows": "default", "eyes": "default", "mouth": "serious", **PERSON},
    "open_peeps": {"head": "noHair1", "expression": "smile", "accessories": None, "facialHair": None,
                   "mask": None},
}  # fmt: skip


def _poses(style, count):
    return [IDENTITY, *(draw_pose(Draws("parts", i), STYLES[style].conditions) for i in range(count))]


def _example(style, pose, identity=7, **parts):
    drawn = {part: variant for part, variant in (FACE_OF[style] | parts).items() if variant}
    return {"pose": pose, "identity": identity, "parts": json.dumps(drawn)}


@pytest.mark.parametrize("style", STYLES)
def test_a_pixel_belongs_to_the_box_it_lies_in(style):
    for pose in _poses(style, 2):
        found = part_map(style, pose)
        back = np.linalg.inv(np.vstack([pose, [0, 0, 1]]))
        for row, column in itertools.product(range(0, SIZE, 3), repeat=2):
            x, y, _ = back @ [column + 0.5, row + 0.5, 1]
            inside = {
                region
                for region, names in FACE.items()
                for x0, y0, x1, y1 in (STYLES[style].boxes[name] for name in names)
                if x0 <= x <= x1 and y0 <= y <= y1
            }
            region = REGIONS[found[row, column]]
            assert region in inside if inside else region == "background"


def test_two_boxes_share_what_lies_in_both():
    found = part_map("avataaars", IDENTITY)
    column = found[18:38, 22]  # through the left brow, 18 to 28, and the left eye, 24 to 38.5
    assert np.flatnonzero(np.diff(column)).tolist() == [7]
    assert (column[0], column[-1]) == (NUMBER["brows"], NUMBER["eyes"])


@pytest.mark.parametrize(
    ("part", "region", "other", "least"),
    [("mouth", "mouth", "mouth", 1), ("eyes", "eyes", "brows", 0.85), ("eyebrows", "brows", "eyes", 0.8)],
)
def test_what_changes_with_a_variant_lies_in_its_part(part, region, other, least):
    variants = sorted({v for recipe in itertools.chain(*AVATAAARS.recipes.values()) for v in recipe[part]})
    for pose in _poses("avataaars", 2):
        images = np.stack(
            [draw_face("avataaars", FACE_OF["avataaars"] | {part: v}, "x", pose) for v in variants]
        )
        ink = np.ptp(images.astype(int), axis=0).max(-1) > 60
        found = part_map("avataaars", pose)
        assert (ink & (found == NUMBER[region])).sum() >= least * ink.sum()
        # Brows and eyes share what lies in the boxes of both.
        assert not (ink & ~np.isin(found, [NUMBER[region], NUMBER[other]])).any()


@pytest.mark.parametrize("style", STYLES)
def test_the_silhouette_is_what_is_not_background(style):
    for pose in _poses(style, 2):
        example = _example(style, pose)
        person = silhouette(style, example)
        drawn = draw_face(
            style,
            FACE_OF[style],
            f"toons/{style}/7",
            pose,
            f'<rect width="{SIZE}" height="{SIZE}" fill="#00ff00"/>',
        ).astype(int)
        green = (drawn == [0, 255, 0]).all(-1)
        assert not (person & green).any()
        assert 0.2 < person.mean() < 0.95
        # What is neither is the half-covered border.
        assert (~person & ~green).mean() < 0.06


@pytest.mark.parametrize("style", STYLES)
def test_region_maps(style):
    examples = [_example(style, pose) for pose in _poses(style, 1)]
    maps = region_maps(style, examples)
    assert maps.dtype == np.uint8
    assert set(np.unique(maps)) == set(range(len(REGIONS)))
    for found, example in zip(maps, examples, strict=True):
        face, person = part_map(style, example["pose"]), silhouette(style, example)
        np.testing.assert_array_equal(found[person & (face > 0)], face[person & (face > 0)])
        assert (found[person & (face == 0)] == NUMBER["person"]).all()
        assert (found[~person] == NUMBER["background"]).all()


def test_a_hat_is_part_of_the_person():
    bare, hat = (silhouette("avataaars", _example("avataaars", IDENTITY, top=top)) for top in (None, "hat"))
    assert (bare & ~hat).mean() < 0.01
    assert (hat & ~bare).sum() > 100


@given(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from(sorted(STYLES)))
@settings(max_examples=20, deadline=None)
def test_the_map_moves_with_the_face(right, down, style):
    moved = IDENTITY + np.array([[0, 0, right], [0, 0, down]], np.float32)
    expected = np.zeros((SIZE, SIZE), np.uint8)
    still = part_map(style, IDENTITY)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    inside = (rows >= down) & (rows < SIZE + down) & (columns >= right) & (columns < SIZE + right)
    expected[inside] = still[rows[inside] - down, columns[inside] - right]
    np.testing.assert_array_equal(part_map(style, moved), expected)


@pytest.mark.parametrize("style", STYLES)
def test_size_and_canonical_face(style):
    still = part_map(style, IDENTITY)
    assert (part_map(style, IDENTITY, 3 * SIZE)[1::3, 1::3] == still).all()
    poses = np.stack(_poses(style, 3))
    maps = np.stack([part_map(style, pose, 3 * SIZE) for pose in poses])
    back = on_canonical(maps, 3 * poses)
    np.testing.assert_array_equal(back[0], still)
    for found in back:
        seen = ~np.isnan(found)
        assert seen.mean() > 0.7
        assert (found == still)[seen].mean() > 0.96
    outside = on_canonical(maps[:1], IDENTITY[None] + np.array([[0, 0, 3 * SIZE], [0, 0, 0]]))
    assert np.isnan(outside).all()


def test_only_toons_have_known_parts():
    assert style_of("toons/avataaars_noisy") == "avataaars"
    assert style_of("toons/open_peeps") == "open_peeps"
    with pytest.raises(UserError, match="fer2013 lie; heat can be measured on toons/avataaars"):
        style_of("fer2013")
