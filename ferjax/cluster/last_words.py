"""Prints a message when this process is killed or aborted and cannot print it itself."""

import contextlib
import subprocess

# Reads a word; at the end of file without it, the process that held the other end is gone.
_SCRIPT = 'read -r word; [ "$word" = well ] || printf "%s\\n" "$1" >&2'


class LastWords:
    """A small shell process that prints a line on stderr when this process dies without `cancel`."""

    def __init__(self, text: str) -> None:
        # A session of its own: ^C and SIGTERM to the process group must not end it before this process.
        self._shell = subprocess.Popen(
            ["sh", "-c", _SCRIPT, "sh", text], stdin=subprocess.PIPE, start_new_session=True
        )

    def cancel(self) -> None:
        """Prints nothing: this process reports itself why it ends."""
        if self._shell.stdin and not self._shell.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # the shell has been killed
                self._shell.stdin.write(b"well\n")
                self._shell.stdin.close()
            self._shell.wait()
