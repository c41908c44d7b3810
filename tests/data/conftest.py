import pytest
from copies.copy import Copy


@pytest.fixture
def copy(request, tmp_path):
    """The layout that the test is parametrised with, in files."""
    return Copy(request.param, tmp_path)
