"""Damaged requests, thousands of them: each gets an answer, and none is a failure of the service."""

import asyncio
from collections import Counter
from random import Random

import asking
import fuzzed
import pytest

from ferjax.serve.limits import Limits


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.relative])])
def test_no_request_makes_the_service_fail(make_app, count):
    app = make_app(Limits(files=4, queue=64, pixels=100_000))

    async def some(seeds):
        return [
            (seed, (await asking.asked(app, "POST", *fuzzed.request(Random(seed)))).status) for seed in seeds
        ]

    async def run():
        parts = await asyncio.gather(*(some(range(start, count, 8)) for start in range(8)))
        return [each for part in parts for each in part]

    found = asyncio.run(run())
    assert [(seed, status) for seed, status in found if status not in fuzzed.ALLOWED] == []
    assert len(found) == count
    assert {200, 400, 422} <= Counter(status for _, status in found).keys()
    assert app.service.healthy
    assert b"ferjax_pictures_inside 0.0" in app.service._metrics.text()
    assert b"ferjax_bytes_inside 0.0" in app.service._metrics.text()
