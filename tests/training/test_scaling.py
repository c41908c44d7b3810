"""What devices exchange in a step, read from the compiled program, and what they give, against one device."""

import json
import os
import subprocess
import sys

import pytest
import tiny

pytestmark = pytest.mark.slow


def found(folder, *cases):
    """What `mesh_scaling.py` found, by case."""
    path = folder / "found.json"
    own = {"JAX_NUM_CPU_DEVICES": "8", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(tiny.HERE.parent)}
    done = subprocess.run(
        [sys.executable, str(tiny.HERE / "mesh_scaling.py"), str(path), *cases],
        env={**os.environ, **own},
        capture_output=True, text=True, timeout=tiny.LONGEST,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def scaling(tmp_path_factory):
    return found(tmp_path_factory.mktemp("scaling"), "1", "8", "8, fsdp 4")


def test_one_device_exchanges_nothing(scaling):
    assert scaling["1"]["bytes"] == {}


def check_reduced(case):
    assert case["bytes"].keys() == {"all-reduce"}
    expected = 4 * (case["parameters"] + case["statistics"])
    assert case["bytes"]["all-reduce"] == pytest.approx(expected, rel=0.05)


def test_gradients_and_batch_statistics_are_reduced_and_nothing_else(scaling):
    check_reduced(scaling["8"])


@pytest.mark.relative  # eight devices stand for two
def test_two_devices_do_the_same(scaling, tmp_path):
    two = found(tmp_path, "2")["2"]
    check_reduced(two)
    assert two["losses"] == pytest.approx(scaling["1"]["losses"], rel=1e-12)


@pytest.mark.parametrize("mesh", ["8", "8, fsdp 4"])
def test_losses_in_float64_are_those_of_one_device(scaling, mesh):
    assert len(set(scaling["1"]["losses"])) == 4  # it learns
    assert scaling[mesh]["losses"] == pytest.approx(scaling["1"]["losses"], rel=1e-12)


def test_fsdp_divides_the_state_as_predicted(scaling):
    whole, split = scaling["8"], scaling["8, fsdp 4"]
    assert whole["state here"] == whole["state"] == split["state"]
    # All but vectors and scalars, which are small here.
    assert split["state here"] < 0.3 * whole["state"]
    saved = whole["arguments"] - split["arguments"]
    assert saved == pytest.approx(whole["state here"] - split["state here"], rel=0.02)
    assert {"all-gather", "all-reduce"} <= split["bytes"].keys()
