"""Benchmarks that compare ways to train: arguments, gains, table and record."""

import json

import pytest

from benchmarks import command_line, seed_comparison

SCORES = {"plain": [0.5, 0.6, 0.55], "better": [0.6, 0.72, 0.64]}


def test_help_shows_the_docstring_as_it_is(capsys):
    with pytest.raises(SystemExit):
        command_line.parser("Title.\n\n    python -m a  [--b]\n").parse_args(["--help"])
    assert "\n\n    python -m a  [--b]\n" in capsys.readouterr().out


def test_one_seed_cannot_be_compared(capsys):
    parser = seed_comparison.parser("", "name")
    assert parser.parse_args(["--seeds", "2"]).json == "benchmarks/results/name.json"
    with pytest.raises(SystemExit):
        parser.parse_args(["--seeds", "1"])
    assert "argument --seeds: must be at least 2" in capsys.readouterr().err


@pytest.mark.parametrize("noise", [None, 0.2])
def test_the_gain_over_the_plain_way_is_told_and_kept(tmp_path, capsys, noise):
    rows = [
        {"way": way, "accuracy": values, **({"noise": noise} if noise else {})}
        | seed_comparison.gain(SCORES, "plain", way)
        for way, values in SCORES.items()
    ]
    seed_comparison.report("name", rows, "way", "plain", str(tmp_path / "a.json"))
    head, plain, better = capsys.readouterr().out.splitlines()[1:4]
    assert head.split()[-6:] == ["accuracy", "gain", "over", "plain,", "95", "%"]
    assert plain.split() == [*(["20%"] if noise else []), "plain", "55.00%"]
    assert better.endswith("better    65.33%   +10.33% (+6.54% to +14.13%)")
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept["rows"][1]["gain"]["difference"] == pytest.approx(0.31 / 3)
    assert "gain" not in kept["rows"][0]
