"""The table of all networks names each of them, with sizes as they are and figures of the records."""

import re
from pathlib import Path

import pytest

from benchmarks import networks_table
from ferjax.registry import NETWORKS

PAGE = Path(__file__).parents[2] / networks_table.PAGE


def cells(name: str) -> list[str]:
    (line,) = re.findall(rf"^\| `{name}` .*$", PAGE.read_text(), flags=re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_network_has_a_row():
    assert set(re.findall(r"^\| `(\w+)`", PAGE.read_text(), flags=re.MULTILINE)) == set(NETWORKS.names())
    assert networks_table.CLAIMS.keys() | networks_table.IMPORTED.keys() <= set(NETWORKS.names())


@pytest.mark.parametrize("name", ["fer_cnn", "mini_xception"])
def test_sizes_are_those_of_the_networks(name):
    size = networks_table.size(name)
    assert cells(name)[2:4] == [f"{size.parameters:,}", f"{size.operations / 1e6:,.0f}"]


def test_operations_are_those_of_the_layers():
    # Three 5×5 convolutions and two dense layers; what padding is multiplied with does not count.
    def taps(side: int) -> int:
        return sum(min(side, i + 3) - max(0, i - 2) for i in range(side))

    convolutions = sum(
        taps(side) ** 2 * ins * outs for side, ins, outs in ((48, 3, 32), (24, 32, 64), (12, 64, 128))
    )
    products = convolutions + 36 * 128 * 256 + 256 * 7
    assert networks_table.size("fer_cnn").operations == pytest.approx(2 * products, rel=0.02)


def test_figures_are_those_of_the_records(tmp_path):
    (tmp_path / "recipes.json").write_text('{"rows": [{"run": "sdl", "accuracy": 0.9461}]}')
    (tmp_path / "fer2013_recipes.json").write_text(
        '{"rows": [{"run": "sdl", "accuracy": 0.5012, "epochs": 6.0}]}'
    )
    assert networks_table.on_toons(tmp_path)["sdl"] == "94.6"
    assert networks_table.on_fer2013(tmp_path) == {"sdl": "50.1, 6 epochs"}
    ours = networks_table.speeds(networks_table.RESULTS / "suite.jsonl")["training", "sdl", 16]
    assert re.fullmatch(r"[\d.,]+ ms \(\d+\.\d\d, \d+\.\d\d\)", ours)
