import pytest

from ferjax.errors import listed, nearest


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more"), (13, "0, 1, 2 and 10 more")],
)
def test_the_first_are_listed_and_the_rest_counted(count, text):
    assert listed(range(count), most=3) == text


def test_the_nearest_names():
    assert nearest("lossy", ["cross_entropy", "loss", "gloss", "moss"], most=1) == "loss"
    assert nearest("zzz", ["b", "a"]) == "b, a"
    assert nearest("zzz", [f"name{i}" for i in range(1000)]).endswith("name19 and 980 more")
