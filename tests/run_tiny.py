"""`python -m ferjax`, with the tiny network registered: what the tests start as a command.

`run_tiny.py serve` imports the libraries once and then runs one command for each line of standard
input, a JSON list of arguments, in a fork; it answers with a line `[exit code, stdout, stderr]`.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny

from ferjax import __main__

# Training must not need PyTorch; tensorboardX imports it where it is installed, which takes seconds.
sys.modules["torch"] = None


def run(arguments: list[str]) -> None:
    """Runs a command as its own process would; ends by SystemExit."""
    tiny.register()
    die_before(os.environ.get("TINY_DIES_BEFORE"))
    if limit := os.environ.get("TINY_LARGEST_FILE"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    sys.argv = ["ferjax", *arguments]
    __main__.main()


def die_before(step: str | None) -> None:
    """Kills the process when the checkpoint of this step is whole but has not got its name yet."""

    def deadly(rename: Callable) -> Callable:
        def renamed(source: Any, target: Any, **options: Any) -> None:
            if Path(target).name == step and Path(target).parent.name == "checkpoints":
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target, **options)

        return renamed

    if step is not None:
        os.rename, os.replace = deadly(os.rename), deadly(os.replace)


def serve() -> None:
    """Runs commands until standard input ends."""
    import tensorflow_datasets  # noqa: F401

    import ferjax.training.loop  # noqa: F401

    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                run(json.loads(line))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
            print(json.dumps([code, *texts]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        run(sys.argv[1:])
