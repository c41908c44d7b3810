"""Waits at the coordinator's address until all processes of a run have come, before JAX joins them.

JAX aborts a process whose partners do not come, and waits for ever for a number that cannot be. So process 0
listens itself first: each other process sends one line of JSON and gets one back, which says that all have
come or what is wrong. Then JAX's own coordinator takes the port over.
"""

import contextlib
import json
import selectors
import socket
import time
from typing import Any

from ferjax.errors import UserError, listed

MOST = 2**16  # processes
_RETRY = 0.5  # seconds
_GRACE = 10.0  # seconds that something else may answer: process 0 of an earlier run may be ending
_PATIENCE = 5.0  # seconds beyond the time: process 0 waits as long, and may have begun later
_LONGEST = 4096  # bytes of a line
_GREETING = "ferjax rendezvous"


def check_numbers(count: int, index: int) -> None:
    """Raises UserError unless there can be so many processes and one of this number."""
    if not 1 <= count <= MOST:
        raise UserError(f"--processes={count} is no number of processes; it must be from 1 to {MOST}")
    if not 0 <= index < count:
        raise UserError(
            f"--process={index} is no number of one of {count} processes; they are numbered from 0 to "
            f"{count - 1}"
        )


def parse_address(address: str) -> tuple[str, int]:
    """Splits `host:port`; raises UserError if it is something else."""
    host, colon, port = address.rpartition(":")
    good = colon and host and port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536
    if not good:
        raise UserError(f"the coordinator {address!r} is not HOST:PORT, such as 10.0.0.1:1234")
    return host.strip("[]"), int(port)


def gather(address: str, count: int, index: int, timeout: float) -> None:
    """Returns in all processes when all have come, or raises in all that have.

    Args:
        address: `host:port` of process 0.
        count: number of processes.
        index: this process's number; number 0 listens.
        timeout: seconds.

    Raises:
        UserError: the address is wrong, the port is taken, nothing or something else answers, a process has
            not come within the time, two have one number, or they do not agree on how many they are.
    """
    host, port = parse_address(address)
    if index == 0:
        _lead(address, port, count, timeout)
    else:
        _follow(address, host, port, {"processes": count, "process": index}, timeout)


def _lead(address: str, port: int, count: int, timeout: float) -> None:
    came: dict[int, tuple[str, socket.socket]] = {}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_listening(port))
        problem = _receive(server, stack, came, count, time.monotonic() + timeout)
        missing = sorted(set(range(1, count)) - came.keys())
        if missing and not problem:
            problem = (
                f"of {count} processes the numbers {listed(missing, most=20)} have not come to the "
                f"coordinator {address} within {timeout:.0f} s; are they running, and can they reach that "
                "address?"
            )
        for _, connection in came.values():
            with contextlib.suppress(OSError):
                connection.sendall(_line({"error": problem}))
        for _, connection in came.values():  # who closes first keeps the port busy for a minute
            with contextlib.suppress(OSError):
                connection.settimeout(1)
                connection.recv(1)
    if problem:
        raise UserError(problem)


def _listening(port: int) -> socket.socket:
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    try:
        return socket.create_server(
            ("", port), family=family, backlog=1024, dualstack_ipv6=family == socket.AF_INET6
        )
    except OSError as error:
        raise UserError(f"process 0 cannot listen on port {port}: {error.strerror}; take another") from error


def _receive(
    server: socket.socket,
    stack: contextlib.ExitStack,
    came: dict[int, tuple[str, socket.socket]],
    count: int,
    end: float,
) -> str:
    """Collects the processes that come, by their numbers, until all are there; returns what is wrong."""
    selector = stack.enter_context(selectors.DefaultSelector())
    server.setblocking(False)
    selector.register(server, selectors.EVENT_READ)
    texts: dict[socket.socket, bytes] = {}
    while len(came) < count - 1:
        left = end - time.monotonic()
        if left <= 0:
            return ""
        for key, _ in selector.select(left):
            if key.fileobj is server:
                with contextlib.suppress(OSError):
                    connection = stack.enter_context(server.accept()[0])
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ)
                    texts[connection] = b""
                continue
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            content = _received(connection)
            texts[connection] += content
            number, (_, earlier) = next(
                ((number, entry) for number, entry in came.items() if entry[1] is connection), (0, ("", None))
            )
            if earlier is not None:
                if not content:  # it has ended again, and may be started again
                    del came[number]
                    selector.unregister(connection)
                continue
            greeting = _parsed(texts[connection])
            if greeting is None and content and len(texts[connection]) <= _LONGEST:
                continue  # not yet whole
            if greeting is None:  # a stranger, such as a scan of ports
                selector.unregister(connection)
                connection.close()
                continue
            problem = _admit(greeting, connection, came, count)
            if problem:
                with contextlib.suppress(OSError):
                    connection.sendall(_line({"error": problem}))
                return problem
    return ""


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_LONGEST)
    except BlockingIOError:
        return b""
    except OSError:
        return b""


def _admit(
    greeting: dict[str, Any],
    connection: socket.socket,
    came: dict[int, tuple[str, socket.socket]],
    count: int,
) -> str:
    """Notes a process that has come; returns what is wrong with it."""
    index, others = greeting.get("process"), greeting.get("processes")
    host = str(greeting.get("host"))[:100]
    if others != count:
        return (
            f"process {index} on {host} was started with --processes={others}, process 0 with {count}; "
            "start all with one number of processes"
        )
    if not isinstance(index, int) or not 0 < index < count:
        return f"a process on {host} says that its number is {index!r}; numbers are 0 to {count - 1}"
    if index in came:
        return (
            f"two processes, on {came[index][0]} and {host}, have the number --process={index}; give each "
            "its own"
        )
    came[index] = (host, connection)
    return ""


def _follow(address: str, host: str, port: int, own: dict[str, Any], timeout: float) -> None:
    greeting = _line({"greeting": _GREETING, "host": socket.gethostname(), **own})
    end = time.monotonic() + timeout
    strange = None
    while True:
        try:
            answer = _asked(host, port, greeting, end)
        except OSError as error:
            if time.monotonic() + _RETRY > end:
                raise UserError(
                    f"the coordinator {address} could not be reached within {timeout:.0f} s "
                    f"({error.strerror or error}); is process 0 running there, and is the port open?"
                ) from error
        else:
            if answer is not None:
                break
            now = time.monotonic()
            strange = strange or now
            if now + _RETRY > min(end, strange + _GRACE):
                raise UserError(
                    f"what answers at {address} is not process 0 of this run: it has ended, or another "
                    "program has that port; start all processes again, with another port"
                )
        time.sleep(_RETRY)  # not yet started, or its name not yet known
    if answer.get("error"):
        raise UserError(str(answer["error"]))


def _asked(host: str, port: int, greeting: bytes, end: float) -> dict[str, Any] | None:
    """Sends the greeting and returns the answer, which comes when all processes have; None if it is none.

    Raises:
        OSError: nothing could be reached, or nothing answered in time.
    """
    with socket.create_connection((host, port), timeout=max(end - time.monotonic(), 0.1)) as connection:
        connection.sendall(greeting)
        text = b""
        while True:
            # Process 0 waits for all the others first, as long as it may.
            connection.settimeout(max(end + _PATIENCE - time.monotonic(), 0.1))
            try:
                content = connection.recv(_LONGEST)
            except ConnectionError:
                return None
            text += content
            answer = _parsed(text)
            if answer is not None:
                return answer
            if not content or b"\n" in text or len(text) > _LONGEST:
                return None


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps({"greeting": _GREETING, **content}).encode() + b"\n"


def _parsed(text: bytes) -> dict[str, Any] | None:
    """Returns the content of a whole line of this protocol; None if it is not yet whole, or another's."""
    line, end, _ = text.partition(b"\n")
    try:
        content = json.loads(line) if end else None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("greeting") == _GREETING else None
