"""Processes with another config or other code are refused, in all of them and with the difference."""

from concurrent.futures import ThreadPoolExecutor

import tiny
from memory_store import MemoryStore

from ferjax.cluster import consistency
from ferjax.errors import UserError


def outcomes(*facts, timeout=30):
    """What `agree` says in each of as many processes; None is agreement. `None` as facts: never came."""
    store = MemoryStore()

    def one(index):
        try:
            consistency.agree(store, index, len(facts), facts[index], "10.0.0.1:99", timeout)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, [index for index, fact in enumerate(facts) if fact is not None]))


def test_the_same_facts_agree():
    own = consistency.facts(tiny.tiny_configuration(), "runs/x")
    assert outcomes(own, dict(own), dict(own)) == [None] * 3


def test_a_difference_is_told_to_all():
    own = consistency.facts(tiny.tiny_configuration(), "runs/x")
    other = consistency.facts(tiny.tiny_configuration(train__batch_size=32), "runs/y")
    told = outcomes(own, other, own)
    assert len(set(told)) == 1
    assert "process 1 on " in told[0]
    assert "config train.batch_size is 32 there, 16 in process 0" in told[0]
    assert "workdir is 'runs/y' there, 'runs/x' in process 0" in told[0]
    assert "process 2" not in told[0]


def test_other_code_and_versions_differ_and_local_fields_do_not():
    own = consistency.facts(tiny.tiny_configuration(), "runs/x")
    assert {"code of ferjax", "version of jax", "config optimizer.name"} <= own.keys()
    elsewhere = tiny.tiny_configuration(data__dir="/elsewhere", data__cache="stream", data__workers=2)
    assert consistency.facts(elsewhere, "runs/x") == own
    changed = {**own, "code of ferjax": "0", "version of jax": "0.1"}
    assert len(consistency.differences(own, changed)) == 2


def test_who_has_not_come_is_named_with_the_address():
    told = outcomes({"a": 1}, {"a": 1}, None, timeout=0.3)
    assert len(set(told)) == 1
    assert told[0].startswith(
        "of 3 processes the numbers 2 have not come to the coordinator 10.0.0.1:99 within"
    )
