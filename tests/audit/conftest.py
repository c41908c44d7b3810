"""Shared by the tests of the audit: sets built from rows."""

import grouped_set
import pytest
from planted import SIDE

from ferjax.audit.run import audit
from ferjax.data import builders


@pytest.fixture
def build_set(tmp_path, monkeypatch):
    """Builds `grouped` from rows of (split, label, group, image); gives its data folder."""

    def build(rows, **attributes):
        rows = [(split, label, group, "", image) for split, label, group, image in rows]
        return grouped_set.build(
            monkeypatch, tmp_path, rows, **{"IMAGE_SHAPE": (SIDE, SIDE, 1), **attributes}
        )

    return build


@pytest.fixture
def audited(build_set):
    """Builds a set of rows and audits it."""

    def run(rows, published=None, **attributes):
        data = build_set(rows, **attributes)
        return audit("grouped", builders.folder("grouped", data), published or {})

    return run
