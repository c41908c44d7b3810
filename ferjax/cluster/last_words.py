"""What is printed when a process is ended from outside of Python, where it can say nothing itself."""

import subprocess

# Reads a word; at the end of file without it, the process that held the other end is gone.
_SCRIPT = 'read -r word; [ "$word" = well ] || printf "%s\\n" "$1" >&2'


class LastWords:
    """A small shell that prints a line on stderr when this process dies without `cancel`."""

    def __init__(self, text: str) -> None:
        self._shell = subprocess.Popen(["sh", "-c", _SCRIPT, "sh", text], stdin=subprocess.PIPE)

    def cancel(self) -> None:
        """This process ends in its own words."""
        if self._shell.stdin and not self._shell.stdin.closed:
            self._shell.stdin.write(b"well\n")
            self._shell.stdin.close()
            self._shell.wait()
