"""Processes that come, do not come, come twice, or find somebody else at the coordinator's address."""

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ferjax.cluster import rendezvous
from ferjax.cluster.join import processes
from ferjax.cluster.liveness import Limits
from ferjax.cluster.rendezvous import gather
from ferjax.errors import UserError


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def outcomes(address, *numbers, timeout=20.0):
    """What `gather` says to each of some processes `(count, index)`; None: all have come."""

    def one(number):
        try:
            gather(address, *number, timeout)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(len(numbers)) as pool:
        return list(pool.map(one, numbers))


def test_all_come_and_the_port_is_free_again(address):
    for _ in range(2):
        assert outcomes(address, (3, 2), (3, 0), (3, 1)) == [None] * 3


def test_one_process_waits_for_nobody(address):
    assert outcomes(address, (1, 0)) == [None]


def test_who_has_not_come_is_named_in_all_that_have(address):
    told = outcomes(address, (4, 0), (4, 2), timeout=2)
    assert told[0] == told[1]
    assert told[0].startswith(
        f"of 4 processes the numbers 1, 3 have not come to the coordinator {address} within 2 s"
    )
    (alone,) = outcomes(address, (2**16, 0), timeout=0.1)
    assert "1, 2, 3" in alone
    assert len(alone) < 400


def test_two_with_one_number_are_told(address):
    first, *others = outcomes(address, (3, 0), (3, 1), (3, 1))
    assert first.startswith("two processes, on ")
    assert first.endswith("have the number --process=1; give each its own")
    assert others == [first] * 2


def test_another_number_of_processes_is_told(address):
    told = outcomes(address, (2, 0), (3, 1))
    assert told[0] == told[1]
    assert "was started with --processes=3, process 0 with 2" in told[0]


def test_one_that_has_ended_may_come_again(address):
    """As where a launcher starts a lost process anew while the others are still awaited."""
    host, port = rendezvous.parse_address(address)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gather, address, 3, 0, 20)
        greeting = rendezvous._line({"host": "gone", "processes": 3, "process": 1})
        connection = connected(host, port)
        connection.sendall(greeting)
        connection.close()
        other = pool.submit(gather, address, 3, 2, 20)
        gather(address, 3, 1, 20)
        assert first.result() is None
        assert other.result() is None


def connected(host, port):
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((host, port))


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 9000, b"[" * 5000 + b"\n", b"{}\n"]
)
def test_strangers_do_not_count(address, said):
    host, port = rendezvous.parse_address(address)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gather, address, 2, 0, 20)
        with connected(host, port) as stranger:
            with contextlib.suppress(ConnectionError):
                stranger.sendall(said)
            gather(address, 2, 1, 20)
        assert first.result() is None


@pytest.mark.parametrize("answer", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b"", b"{}\n", b"\x00" * 9000])
def test_another_program_at_the_address_is_told(monkeypatch, answer):
    monkeypatch.setattr(rendezvous, "_GRACE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            connection.recv(100)
            connection.sendall(answer)
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(
            UserError, match=f"what answers at {address} is not process 0 .* with another port"
        ):
            gather(address, 2, 1, 20)


def test_a_silent_program_at_the_address_is_told(monkeypatch):
    monkeypatch.setattr(rendezvous, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=f"the coordinator {address} could not be reached within 0 s"):
            gather(address, 2, 1, 0.1)


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=f"process 0 cannot listen on port {port}: .*; take another"):
            gather(f"127.0.0.1:{port}", 2, 0, 1)


def test_an_address_that_nobody_listens_at_is_told(address):
    with pytest.raises(UserError, match=f"the coordinator {address} could not be reached within 0 s"):
        gather(address, 2, 1, 0.1)


@pytest.mark.parametrize(
    "address", ["", "host", "host:", ":1234", "host:http", "host:0", "host:70000", "host:²", "host:-1"]
)
def test_an_address_is_host_and_port(address):
    with pytest.raises(UserError, match=r"is not HOST:PORT, such as 10\.0\.0\.1:1234"):
        gather(address, 2, 1, 1)


@pytest.mark.parametrize(
    ("count", "index", "reason"),
    [
        (2, 5, "--process=5 is no number of one of 2 processes; they are numbered from 0 to 1"),
        (2, 2, "--process=2 is no number"),
        (2, -2, "--process=-2 is no number"),
        (-1, 0, "--processes=-1 is no number of processes"),
        (10**9, 0, "--processes=1000000000 is no number of processes"),
        (0, 0, "all of --coordinator, --processes and --process"),
        (2, -1, "all of --coordinator, --processes and --process"),
    ],
)
def test_impossible_numbers_are_told_at_once(address, count, index, reason):
    with pytest.raises(UserError) as caught, processes(coordinator=address, count=count, index=index):
        pass
    assert reason in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e30])
def test_impossible_limits_are_told(value):
    for options in (
        {"timeout": value},
        {"limits": Limits(silence=value)},
        {"limits": Limits(progress=value)},
    ):
        with pytest.raises(UserError, match=r"_limit=.* must be above 0 and at most"), processes(**options):
            pass
