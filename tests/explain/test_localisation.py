import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ferjax.explain.face_regions import FACE, REGIONS
from ferjax.explain.localisation import areas, pointing, scores, shares

MOUTH, EYES, BEHIND = (REGIONS.index(name) for name in ("mouth", "eyes", "background"))
HEAT = hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(-2, 5, width=16))
PLACES = hnp.arrays(np.uint8, (2, 3, 4), elements=st.integers(0, len(REGIONS) - 1))


@given(HEAT, PLACES)
@settings(deadline=None)
def test_against_loops(heat, regions):
    found, covered, pointed = shares(heat, regions), areas(regions), pointing(heat, regions)
    for n in range(2):
        cells = [(float(h), int(r)) for h, r in zip(heat[n].flat, regions[n].flat, strict=True)]
        whole = math.fsum(max(h, 0) for h, _ in cells)
        hottest = [r for h, r in cells if h == max(h for h, _ in cells)]
        for region in range(len(REGIONS)):
            assert covered[n, region] == sum(r == region for _, r in cells) / 12
            if whole == 0:
                assert np.isnan(found[n, region])
                assert np.isnan(pointed[n, region])
                continue
            there = math.fsum(max(h, 0) for h, r in cells if r == region)
            assert found[n, region] == pytest.approx(there / whole)
            assert pointed[n, region] == pytest.approx(hottest.count(region) / len(hottest))


@given(HEAT, PLACES, st.sampled_from([0.01, 0.5, 3.0, 100.0]), st.permutations(range(12)))
@settings(deadline=None)
def test_neither_scale_nor_order_of_pixels_matters(heat, regions, scale, order):
    def mixed(values):
        return values.reshape(2, 12)[:, order].reshape(2, 3, 4)

    for figure in (shares, pointing):
        found = figure(heat.astype(np.float64), regions)
        np.testing.assert_allclose(figure(heat.astype(np.float64) * scale, regions), found, atol=1e-9)
        np.testing.assert_allclose(figure(mixed(heat).astype(np.float64), mixed(regions)), found, atol=1e-9)
    np.testing.assert_array_equal(areas(mixed(regions)), areas(regions))


@pytest.fixture
def regions():
    """Six columns, one of each region."""
    return np.broadcast_to(np.arange(6, dtype=np.uint8), (4, 5, 6)).copy()


def test_all_heat_on_the_mouth(regions):
    heat = (regions == MOUTH) * np.float32(3)
    rows = scores(heat, regions, np.array([0, 0, 2, 2]), ("a", "b", "c"))
    assert [row["name"] for row in rows] == ["a", "c", "mean of classes"]
    assert [row["images"] for row in rows] == [2, 2, 4]
    for row in rows:
        assert row["share"] == {name: float(name == "mouth") for name in REGIONS}
        assert row["pointing"] == row["share"]
        assert row["area"] == pytest.approx(dict.fromkeys(REGIONS, 1 / 6))
        assert row["density"]["mouth"] == pytest.approx(6)
        assert row["face"] == pytest.approx({"share": 1, "area": 4 / 6, "density": 1.5, "pointing": 1})
        assert row["contrast"] == math.inf
        assert row["hotter"]
        assert (row["above"], row["blank"]) == (1, 0)


def test_a_map_that_knows_nothing_has_density_one(regions):
    *_, mean = scores(np.ones((4, 5, 6)), regions, np.arange(4), tuple("abcd"))
    assert mean["density"] == pytest.approx(dict.fromkeys(REGIONS, 1))
    assert mean["contrast"] == pytest.approx(1)
    assert mean["pointing"] == pytest.approx(mean["area"])
    assert (mean["above"], mean["hotter"]) == (0, False)


def test_contrast_compares_densities(regions):
    heat = np.where(regions == EYES, 6.0, np.where(regions == BEHIND, 0.5, 0))
    (row, _) = scores(heat, regions, np.zeros(4, int), ("a",))
    # Per area: the face has 6 / 4 of a column's heat, the background a half.
    assert row["contrast"] == pytest.approx((6 / len(FACE)) / 0.5)
    assert row["above"] == 1
    (row, _) = scores(np.where(regions == BEHIND, 2.0, 1.0), regions, np.zeros(4, int), ("a",))
    assert row["contrast"] == pytest.approx(0.5)
    assert row["above"] == 0


def test_blank_maps_are_counted_and_left_out(regions):
    heat = (regions == MOUTH).astype(np.float32)
    heat[1] = 0
    heat[2:] = -1
    first, second, mean = scores(heat, regions, np.array([0, 0, 1, 1]), ("a", "b"))
    assert (first["blank"], second["blank"], mean["blank"]) == (1, 2, 3)
    assert first["share"]["mouth"] == mean["share"]["mouth"] == 1
    assert np.isnan(second["share"]["mouth"])
    assert np.isnan(second["contrast"])
    *_, nothing = scores(-heat[2:], regions[:2], np.array([0, 1]), ("a", "b"))
    assert nothing["blank"] == 0
    *_, nothing = scores(heat[2:], regions[:2], np.array([0, 1]), ("a", "b"))
    assert (nothing["name"], nothing["blank"]) == ("mean of classes", 2)
    assert np.isnan(nothing["face"]["share"])


def test_in_the_mean_every_class_weighs_the_same(regions):
    heat = np.where(regions == BEHIND, 1.0, 0)
    heat[0] = regions[0] == MOUTH
    *_, mean = scores(heat, regions, np.array([0, 1, 1, 1]), ("a", "b"))
    assert mean["share"]["mouth"] == pytest.approx(0.5)
    assert mean["above"] == pytest.approx(0.5)
