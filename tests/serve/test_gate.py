"""The bound on what is in the service at once."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.serve.gate import Full, Gate


def test_a_request_takes_room_and_gives_it_back():
    gate = Gate(3, 100)
    with gate.entered() as ticket:
        ticket.add(pictures=1, content=60)
        assert (gate.pictures, gate.content) == (2, 60)
        with gate.entered(), pytest.raises(Full), gate.entered():
            pass
        with pytest.raises(Full):
            ticket.add(content=41)
    assert (gate.pictures, gate.content) == (0, 0)


def test_what_fails_gives_its_room_back():
    gate = Gate(1, 1)
    with pytest.raises(ZeroDivisionError), gate.entered():
        raise ZeroDivisionError
    assert gate.pictures == 0


@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=4), max_size=6))
def test_it_never_holds_more_than_it_may(requests):
    gate = Gate(8, 100)
    with contextlib.ExitStack() as inside:
        for parts in requests:
            with contextlib.suppress(Full):
                ticket = inside.enter_context(gate.entered())
                for pictures, content in parts:
                    ticket.add(pictures, content)
            assert gate.pictures <= 8
            assert gate.content <= 100
    assert (gate.pictures, gate.content) == (0, 0)
