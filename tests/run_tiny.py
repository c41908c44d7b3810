"""`python -m ferjax`, with the tiny network registered: what the tests start as a command.

`run_tiny.py serve` runs many commands, each in a fork of itself, see `serve` and `fork_server.py`.
"""

import atexit
import gc
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny

from ferjax import __main__

# Training must not need PyTorch; tensorboardX imports it where it is installed, which takes seconds.
sys.modules["torch"] = None
# Predictions must not need it; measuring which engine is faster takes seconds for each network.
sys.modules["onnxruntime"] = None


def run(arguments: list[str]) -> None:
    """Runs a command as its own process would; ends by SystemExit."""
    tiny.register()
    die_before(os.environ.get("TINY_DIES_BEFORE"))
    if limit := os.environ.get("TINY_LARGEST_FILE"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    sys.argv = ["ferjax", *arguments]
    __main__.main()


def run_and_leave(arguments: list[str]) -> None:
    """Runs a command in a fork and ends it without taking the interpreter apart, which takes as long again.

    Threads are waited for and what is registered for the exit runs, as at an interpreter's own end.
    """
    code: Any = 1
    try:
        run(arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def die_before(step: str | None) -> None:
    """Kills the process when the checkpoint of this step is whole but has not got its name yet.

    Another file is named with the name of its folder: `done/00001.json`.
    """
    doomed = step if step and "/" in step else f"checkpoints/{step}"

    def deadly(rename: Callable) -> Callable:
        def renamed(source: Any, target: Any, **options: Any) -> None:
            if f"{Path(target).parent.name}/{Path(target).name}" == doomed:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target, **options)

        return renamed

    if step is not None:
        os.rename, os.replace = deadly(os.rename), deadly(os.replace)


def serve() -> None:
    """Imports the libraries once, then answers requests, one JSON object a line, until standard input ends.

    `{"run": arguments}` runs a command in a fork, with `"folder"` as its current folder if that is given:
    `[exit code, stdout, stderr]`. `{"start": arguments, "environment": variables, "output": path}` starts one
    that writes there: its process id. `{"wait": id}` waits for it: its exit code.
    """
    import tensorboardX  # noqa: F401
    import tensorflow_datasets  # noqa: F401

    import ferjax.inference.score_run
    import ferjax.report.comparison
    import ferjax.training.loop  # noqa: F401

    gc.freeze()  # a fork's collections shall not touch, and so copy, what is imported
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer: Any = exit_code(request["wait"])
        elif "start" in request:
            answer = start(request["start"], request["environment"], request["output"])
        else:
            answer = run_to_its_end(request["run"], request.get("folder", "."))
        print(json.dumps(answer), flush=True)


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start(arguments: list[str], environment: dict[str, str], output: str) -> int:
    """Starts a command in a fork."""
    child = os.fork()
    if child == 0:
        file = os.open(output, os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(environment)
        run(arguments)
    return child


def run_to_its_end(arguments: list[str], folder: str) -> tuple[int, str, str]:
    """Runs a command in a fork that has a folder as its current one."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.chdir(folder)
            run_and_leave(arguments)
        code = exit_code(child)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return code, texts[0], texts[1]


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        run(sys.argv[1:])
