import socket

import pytest

from ferjax.cluster.coordinator import reach
from ferjax.errors import UserError


@pytest.mark.parametrize("address", ["", "host", "host:", ":1234", "host:http", "host:0", "host:70000"])
def test_an_address_is_host_and_port(address):
    with pytest.raises(UserError, match=r"is not HOST:PORT, such as 10\.0\.0\.1:1234"):
        reach(address, listens=False, timeout=1)


def test_a_coordinator_that_listens_is_reached_and_its_port_is_taken():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        reach(f"127.0.0.1:{port}", listens=False, timeout=30)
        with pytest.raises(UserError, match=f"process 0 cannot listen on port {port}: .*; take another"):
            reach(f"127.0.0.1:{port}", listens=True, timeout=1)
    reach(f"127.0.0.1:{port}", listens=True, timeout=1)


def test_one_that_does_not_is_told_with_its_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(UserError, match=f"the coordinator {address} could not be reached within 0 s"):
            reach(address, listens=False, timeout=0.1)
