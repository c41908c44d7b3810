from collections import Counter

import pytest

from ferjax.cost_model.collectives import Collective
from ferjax.cost_model.roofline import Chip, estimate, measured_chip

CHIP = Chip("made up", flops=1e12, memory_rate=1e11, memory=1e9, link_rate=1e10)


def test_the_slowest_part_decides_and_exposed_exchanges_add_up():
    exchanges = Counter({Collective("all-reduce", 10**8, 4): 2})
    found = estimate(CHIP, flops=5e10, traffic=2e9, exchanges=exchanges)
    assert found.compute == pytest.approx(0.05)
    assert found.memory == pytest.approx(0.02)
    # 2 · 1.5 · 10⁸ bytes at 10¹⁰ a second, and twice two hops of a microsecond.
    assert found.exchange == pytest.approx(0.03 + 4e-6)
    assert found.hidden == pytest.approx(0.05)
    assert found.exposed == pytest.approx(0.08 + 4e-6)


def test_one_device_exchanges_nothing():
    found = estimate(CHIP, 1e9, 1e9, Counter())
    assert found.exchange == 0
    assert found.hidden == found.exposed == found.memory


@pytest.mark.slow
def test_the_device_at_hand_is_measured():
    chip = measured_chip("float32")
    assert 1e8 < chip.flops < 1e16
    assert 1e8 < chip.memory_rate < 1e14
