"""Commands as processes of their own that need not import the libraries: forks of a server that has."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


class ForkServer:
    """A process of `run_tiny.py serve`; it has imported JAX and ferjax, and touched no device."""

    def __init__(self, **environment: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("run_tiny.py")), "serve"],
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Sends a request, see `run_tiny.serve`; the answer."""
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        """Ends the server."""
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


class Forked:
    """A started command; the part of `subprocess.Popen` that tests use, stderr in stdout."""

    def __init__(self, server: ForkServer, arguments: list[str], **environment: str) -> None:
        self._server, self._code = server, None
        with tempfile.TemporaryDirectory() as folder:
            output = str(Path(folder) / "output")
            os.mkfifo(output)
            self.pid = server.ask(start=arguments, environment=environment, output=output)
            self.stdout = open(output)  # noqa: SIM115  (returns when the command has opened it, too)

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless the command has ended."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it as the system would, at once."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Waits for its end; the exit code, − signal if one ended it."""
        if self._code is None:
            self._code = self._server.ask(wait=self.pid)
        return self._code
