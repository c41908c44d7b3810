"""The arithmetic of the plan for a hundred million faces."""

import math

import pytest

from benchmarks import scale_plan
from benchmarks.scale_plan import NETWORKS, Measured, block_flops, interval, lost_share, plan

KNOWN = Measured(2e-9, 0.2e-9, 4e-9, 3500.0, 7.0, 6e-7, 40.0)


def planned(chips=256, network=NETWORKS[0], **more):
    options = {"images": 1e8, "epochs": 50, "batch": 4096, "known": KNOWN, **more}
    return plan(network, chips, **options)


def test_parameters_are_those_of_the_published_networks():
    small, large = NETWORKS
    decoder = 12 * 8 * 512**2
    # ferjax's counts of S/16 and L/16 with 7 classes; biases, norms and tokens are left out here.
    assert small.parameters - decoder == pytest.approx(21_668_359, rel=0.05)
    assert large.parameters - decoder == pytest.approx(303_308_807, rel=0.01)


def test_operations_of_a_block_are_its_matrix_products():
    tokens, width = 197, 384
    projections = 2 * tokens * width * (4 * width) + 2 * 2 * tokens * width * (4 * width)
    assert block_flops(tokens, width) == projections + 2 * 2 * tokens**2 * width
    # ViT-S/16 of 224×224 takes 4.6 GFLOP forward, multiplications and additions counted as one.
    assert 12 * block_flops(197, 384) / 2 == pytest.approx(4.6e9, rel=0.05)


def test_the_interval_is_where_least_time_is_lost():
    cost, mean_time = 5.0, 40_000.0
    best = interval(cost, mean_time)
    assert best == pytest.approx(math.sqrt(2 * cost * mean_time), rel=0.02)  # Young
    lost = lost_share(cost, mean_time, 60, best)
    assert lost < min(lost_share(cost, mean_time, 60, best * factor) for factor in (0.7, 1.4))
    assert interval(100.0, 40.0) == 40.0  # a checkpoint that takes longer than there is


def test_failures_grow_with_chips_and_intervals_shrink_with_their_root():
    few, many = planned(256), planned(1024)
    assert many["failures_a_day"] == pytest.approx(4 * few["failures_a_day"])
    assert many["interval_minutes"] == pytest.approx(few["interval_minutes"] / 2, rel=0.02)
    a_day = 16_384 / scale_plan.CHIP_DAYS_A_FAILURE
    assert a_day == pytest.approx(419 / 54)


def test_time_is_images_over_speed_and_price_is_time_of_chips():
    row = planned()
    seconds = 1e8 * 50 / row["images_a_second"]
    assert row["days"] * (1 - row["lost_share"]) == pytest.approx(seconds / 86_400)
    assert row["price_of_chips"] == pytest.approx(row["days"] * 24 * 256 * 1.20)
    assert planned(epochs=100)["days"] == pytest.approx(2 * row["days"])


def test_exchanges_take_a_larger_part_where_a_chip_has_fewer_images():
    shares = [planned(chips)["exchange_share"] for chips in (256, 1024, 4096)]
    assert shares == sorted(shares)


def test_exchanges_between_slices_are_of_the_part_that_a_host_has():
    ring = 2 * 255 / 256 * 1e9 / 90e9
    assert scale_plan.exchange_seconds(1e9, 256) == pytest.approx(ring)
    between = 2 * 3 / 4 * (1e9 * 8 / 256) / 25e9
    assert scale_plan.exchange_seconds(1e9, 1024) == pytest.approx(ring + between)


def test_what_was_measured_is_read_and_a_table_has_every_row():
    known = scale_plan.measured()
    assert 1000 < known.decoded < 10_000
    assert known.copied_a_byte < known.lost_a_byte < known.written_a_byte
    lines = scale_plan.table([planned(), planned(4096)]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| S/16 | 256 | 16 |")
