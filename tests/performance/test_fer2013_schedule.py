"""The benchmark of the paper's schedule, small, with a network that compiles in seconds."""

import argparse

import pytest

from benchmarks import fer2013_schedule, generated
from configs import fer_cnn


@pytest.mark.slow
@pytest.mark.relative  # tests of training with images on the device are in test_device_source.py
@pytest.mark.parametrize("cache", ["device", "memory"])
def test_the_schedule_trains_to_its_end(tmp_path, cache):
    generated.build(tmp_path / "data", {"train": 40, "validation": 7, "test": 7})
    args = argparse.Namespace(epochs=2.0, steps_per_call=2, cache=cache, eval_every_epochs=1.0)
    config = fer2013_schedule.configuration(args, tmp_path / "data", 8, "float32")
    config.model = fer_cnn.get_config().model
    row = fer2013_schedule.measured(config, tmp_path / "run")
    assert (row["steps"], row["epochs"], row["steps_per_call"], row["cache"]) == (10, 2.0, 2, cache)
    assert row["images_per_second"] > 0
    assert 0 < row["seconds"] <= row["whole_seconds"]
