import pytest

from ferjax.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 0 s"),
        (4530, "1 h 15 min"),
        (3600, "1 h 0 min"),
        (200000, "2 d 7 h"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


def test_the_rest():
    assert wording.percent(0.71345) == "71.34%"
    assert wording.percent(None) == "–"
    assert wording.number(12300) == "12,300"
    assert wording.number(None) == "–"
    assert wording.memory(3435973836) == "3.2 GiB"
    assert wording.memory(2**20 * 700) == "700 MiB"
    assert wording.memory(None) == "–"
    assert wording.day("2025-03-01T12:00:00+00:00") == "1 Mar 2025"
    assert wording.day("yesterday") == "yesterday"
    assert wording.count_of(1, "process") == "1 process"
    assert wording.count_of(8, "process") == "8 processes"
    assert wording.count_of(7, "class") == "7 classes"
