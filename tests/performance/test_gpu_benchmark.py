"""The benchmark for GPUs, whole but small, on the device at hand; its seconds mean nothing."""

import json

import pytest

from benchmarks import gpu


@pytest.mark.relative
@pytest.mark.slow
def test_all_of_it_runs_small(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    file = tmp_path / "gpu.json"
    words = ["--networks=fer_cnn", "--sizes=16", "--batch=4", "--rounds=1", "--epochs=1",
             "--images=40", "--steps=2", "--limit=1000000", f"--json={file}"]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["gpu", *words])
    gpu.main()
    run = json.loads(file.read_text())
    assert {*run["found"]} == {"training fer_cnn 16²", "input", "schedule", "parallel"}
    assert not any("failed" in part for part in run["found"].values()), run["found"]
    step = run["found"]["training fer_cnn 16²"]
    assert {*step["times_as_fast"]} == {
        "torch eager", "torch eager, channels last", "torch.compile, channels last",
    }  # fmt: skip
    assert step["mfu"] > 0
    assert step["of_sheet"] is None  # a CPU's is not known
    assert 0 < run["found"]["schedule"]["epochs"] <= 1  # whole batches only
    assert run["found"]["parallel"]["devices"] == 2
    told = capsys.readouterr().out
    assert "torch.compile, channels last; MFU" in told
    assert "2 devices" in told


def test_what_comes_too_late_is_left_out(monkeypatch):
    monkeypatch.setattr(
        gpu.suite, "child", lambda *_, **__: {"device": "made up", "devices": 1, "ceilings": {}}
    )
    run = gpu.measured(gpu.arguments(["--limit=0"]))
    assert [part["failed"] for part in run["found"].values()] == ["left out: 0 seconds had passed"] * 6
    assert "schedule: left out: 0 seconds had passed" in gpu.lines(run)
    with pytest.raises(SystemExit):
        gpu.arguments(["--sizes=64"])
