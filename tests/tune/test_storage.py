"""The study's storage: what it keeps, and one clear line where it cannot be used."""

import sys

import pytest

from ferjax.config import defaults
from ferjax.errors import UserError
from ferjax.runs.config_check import fixed_fields
from ferjax.tune.storage import JOURNAL, describing_losses, open_study, without_password

SEARCH = {"config": {"train.epochs": 2.0, "model.name": "tiny"}, "seed": 0}


def test_a_study_goes_on_with_the_same_search_alone(tmp_path):
    where = str(tmp_path / JOURNAL)
    open_study(where, "ferjax", SEARCH).set_user_attr("mine", 1)
    assert open_study(where, "ferjax", SEARCH).user_attrs["mine"] == 1
    other = {**SEARCH, "config": {**SEARCH["config"], "train.epochs": 3.0}}
    with pytest.raises(UserError) as told:
        open_study(where, "ferjax", other)
    assert "is of another search (config train.epochs was 2.0, is 3.0): put that back" in str(told.value)
    with pytest.raises(UserError, match="seed was 0, is 1"):
        open_study(where, "ferjax", {**SEARCH, "seed": 1})
    assert "mine" not in open_study(where, "another", other).user_attrs


def test_a_study_of_an_earlier_version_goes_on(tmp_path):
    whole = {**SEARCH, "config": fixed_fields(defaults().to_dict()), "folds": 0}
    earlier = {**SEARCH, "config": {**whole["config"]}}
    del earlier["config"]["data.inner_fold"]
    open_study(str(tmp_path / JOURNAL), "ferjax", earlier).set_user_attr("mine", 1)
    assert open_study(str(tmp_path / JOURNAL), "ferjax", whole).user_attrs["mine"] == 1
    with pytest.raises(UserError, match="folds was 0, is 5"):
        open_study(str(tmp_path / JOURNAL), "ferjax", {**whole, "folds": 5})


def test_storages_that_cannot_be_used_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"storage .* cannot be used \(.*: mend that, or name another"):
        open_study(str(tmp_path / "file" / JOURNAL), "ferjax", SEARCH)
    (tmp_path / JOURNAL).write_text("no journal\nat all\n")
    with pytest.raises(UserError, match="cannot be used"):
        open_study(str(tmp_path / JOURNAL), "ferjax", SEARCH)
    for url in ("mysql://me@host/db", "sqlite:///study.db"):
        with pytest.raises(UserError, match="or the URL of a PostgreSQL database"):
            open_study(url, "ferjax", SEARCH)


def test_a_database_that_does_not_answer_is_told_without_its_password():
    with pytest.raises(UserError) as told:
        open_study("postgresql://me:secret@127.0.0.1:1/db", "ferjax", SEARCH)
    assert "the study's storage postgresql://…@127.0.0.1:1/db cannot be used" in str(told.value)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_passwords_are_hidden():
    assert without_password("postgresql://a:b@c/d") == "postgresql://…@c/d"
    assert without_password("runs/a@b/study.journal") == "runs/a@b/study.journal"


def test_what_is_not_installed_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"PostgreSQL needs its driver: pip install 'ferjax\[postgresql\]'"):
        open_study("postgresql://me@127.0.0.1:1/db", "ferjax", SEARCH)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"tune needs Optuna: pip install 'ferjax\[tune\]'"):
        open_study(str(tmp_path / JOURNAL), "ferjax", SEARCH)


def test_a_database_that_is_lost_in_the_middle_is_told():
    from optuna.exceptions import StorageInternalError

    words = r"cannot be used \(StorageInternalError: gone\): what is finished is kept"
    with pytest.raises(UserError, match=words), describing_losses("postgresql://me:secret@host/db"):
        raise StorageInternalError("gone")
