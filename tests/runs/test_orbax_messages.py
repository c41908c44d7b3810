"""Orbax raises errors and also prints them: only what it prints is hidden, also after a folder is closed."""

import subprocess
import sys

import pytest

DAMAGED = """
import gc, sys, tempfile
from pathlib import Path
sys.path.insert(0, {tests!r})
import jax, optax, tiny
from ferjax.runs import checkpoints
from ferjax.training import state
current = state.create(tiny.TinyNet(features=16), optax.sgd(0.1, momentum=0.9), (8, 8, 3), 0, ema=True)
device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), current)
folder = Path(tempfile.mkdtemp(dir={tmp!r}))
kept = checkpoints.Checkpoints(folder, "tiny", keep=1)
kept.save(current, 1, {{"best_step": 1}})
kept.wait()
shapes = folder / "checkpoints/1/state/array_metadatas/process_0"
shapes.write_bytes(shapes.read_bytes()[:100])
try:
    kept.restore(1, like)
except checkpoints.Damaged:
    pass
kept.close()
gc.collect()
"""


@pytest.mark.slow
def test_a_damaged_checkpoint_is_an_exception_and_nothing_more(tmp_path, request):
    tests = str(request.config.rootpath / "tests")
    program = DAMAGED.format(tests=tests, tmp=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


ABANDONED = """
from ferjax.runs import orbax_messages
code = (
    "async def read(data):\\n"
    "    try:\\n"
    "        await data\\n"
    "    finally:\\n"
    "        raise ValueError('an abandoned read')\\n"
)
scope = {{}}
exec(compile(code, "/site-packages/{library}/checkpoint/serialization.py", "exec"), scope)

class Data:
    def __await__(self):
        yield

orbax_messages.hide()
coroutine = scope["read"](Data())
coroutine.send(None)  # it has begun, and is never finished
del coroutine
"""


@pytest.mark.parametrize(("library", "complaints"), [("orbax", 0), ("other", 1)])
def test_abandoned_reads_complain_when_they_are_freed(library, complaints):
    """Why the filters stay: a read is freed at any time after its checkpoint's folder was closed."""
    program = ABANDONED.format(library=library)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.count("ValueError: an abandoned read") == complaints


OTHERS = """
import logging, sys
from absl import logging as absl_logging
from ferjax.runs import orbax_messages
orbax_messages.hide()
orbax_messages.hide()
absl_logging.use_absl_handler()
absl_logging.warning("of absl")
logging.getLogger("asyncio").error("of asyncio")

class Broken:
    def __del__(self):
        raise ValueError("of a finaliser")

Broken()
"""


def test_what_others_print_is_left_alone():
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True, check=True)
    for text in ("of absl", "of asyncio", "ValueError: of a finaliser"):
        assert done.stderr.count(text) == 1
