"""How much room a network's faces get: as its data set crops, unless its config says otherwise."""

import pytest
from networks import trained_network


@pytest.mark.parametrize(
    ("name", "set_to", "margin"),
    [("fer2013", -1.0, 0.0), ("rafdb", -1.0, 0.1), ("fer2013", 0.25, 0.25), ("rafdb", 0.0, 0.0)],
)
def test_the_margin_is_the_data_sets_or_the_configs(name, set_to, margin):
    network = trained_network("fer_cnn", data__name=name, data__image_size=48, data__face_margin=set_to)
    assert network.face_margin == margin
