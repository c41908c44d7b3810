"""What devices exchange in a step, read from the compiled program, and what they give, against one device."""

import json
import os
import subprocess
import sys

import pytest
import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scaling(tmp_path_factory):
    """What `mesh_scaling.py` found, by case."""
    path = tmp_path_factory.mktemp("scaling") / "found.json"
    own = {"JAX_NUM_CPU_DEVICES": "8", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(tiny.HERE.parent)}
    done = subprocess.run(
        [sys.executable, str(tiny.HERE / "mesh_scaling.py"), str(path)],
        env={**os.environ, **own},
        capture_output=True, text=True, timeout=tiny.LONGEST,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


def test_one_device_exchanges_nothing(scaling):
    assert scaling["1"]["bytes"] == {}


@pytest.mark.parametrize("devices", ["2", "8"])
def test_gradients_and_batch_statistics_are_reduced_and_nothing_else(scaling, devices):
    found = scaling[devices]
    assert found["bytes"].keys() == {"all-reduce"}
    expected = 4 * (found["parameters"] + found["statistics"])
    assert found["bytes"]["all-reduce"] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("mesh", ["2", "8", "8, fsdp 4"])
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
