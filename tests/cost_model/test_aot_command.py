"""`python -m ferjax aot`; compiling for TPUs itself needs a package that tests do not have."""

import importlib.util
import json

import jax
import pytest
import tiny
from untrained import write_run

from ferjax.cost_model.step_for_devices import assembled
from ferjax.errors import UserError


def test_what_does_not_fit_is_told_before_anything_is_compiled(tiny_model, tmp_path):
    config = tiny.tiny_configuration(distill__from=str(write_run(tmp_path / "teacher")))
    with pytest.raises(UserError, match=r"teacher knows 7 classes: set --num_classes=7$"):
        assembled(config, jax.devices()[:1], 5)
    config = tiny.tiny_configuration(loss__eac=5.0)
    config.model, config.data.image_size = {"name": "fer_cnn"}, 48
    with pytest.raises(UserError, match=r"loss\.eac needs a network that ends in an average"):
        assembled(config, jax.devices()[:1], 7)


@pytest.mark.slow
def test_bad_input(shell):
    config = f"--config={tiny.CONFIG}"
    line = tiny.only_line(shell("aot", config, "--topology=v9x:2x2"))
    assert line.startswith(
        "unknown topology 'v9x:2x2'; it is here, or KIND:SHAPE such as v5e:4x4 with a kind of v4"
    )
    line = tiny.only_line(shell("aot", config, "--topology=here", "--plot=x.gif"))
    assert line == "--plot=x.gif does not end in .png or .svg"
    assert tiny.only_line(shell("aot", config, "--topology=")).startswith("--topology names none")
    line = tiny.only_line(shell("aot", config, "--topology=here", "--stop_when_scheduled"))
    assert line == "--stop_when_scheduled is for TPUs; leave it out with here"
    line = tiny.only_line(shell("aot", config, "--topology=here", "--config.mesh.fsdp=3"))
    assert "needs 3 devices, but there are 1" in line


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is not None, reason="the TPU compiler is installed")
def test_without_the_compiler_a_hint(shell):
    line = tiny.only_line(shell("aot", f"--config={tiny.CONFIG}", "--topology=v5e:4x4"))
    assert line.startswith("compiling for v5e:4x4 needs the TPU compiler: pip install 'ferjax[tpu-aot]'")


@pytest.mark.slow
def test_the_device_at_hand(shell, tmp_path):
    stored, picture = tmp_path / "a.json", tmp_path / "a.svg"
    done = shell(
        "aot", f"--config={tiny.CONFIG}", "--topology=here", f"--json={stored}", f"--plot={picture}",
        "--config.loss.scn=1", "--config.affect.head=beside",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (found,) = json.loads(stored.read_text())
    assert found["devices"] == 1
    assert found["exchanges"] == []
    assert found["memory"] == found["arguments"] + found["temporary"] + found["code"]
    assert found["measured"] > 0
    assert 0 < found["estimate"]["compute"] < found["measured"]
    assert "step measured" in done.stdout
    assert "Assumed: " in done.stdout
    assert picture.read_text().startswith("<?xml")
