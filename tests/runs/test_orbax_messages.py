"""Orbax raises errors and also prints them: only what it prints is hidden, also after a folder is closed."""

import subprocess
import sys

import pytest

DAMAGED = """
import gc, sys, tempfile
from pathlib import Path
sys.path.insert(0, {tests!r})
import jax, optax, tiny
from ferjax.runs import checkpoints, orbax_messages
from ferjax.training import state
if not {hidden}:
    checkpoints.orbax_messages.hide = lambda: None
current = state.create(tiny.TinyNet(features=16), optax.sgd(0.1, momentum=0.9), (8, 8, 3), 0, ema=True)
device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), current)
folder = Path(tempfile.mkdtemp(dir={tmp!r}))
kept = checkpoints.Checkpoints(folder, "tiny", keep=1)
kept.save(current, 1, {{"best_step": 1}})
kept.wait()
shapes = folder / "checkpoints/1/state/array_metadatas/process_0"
shapes.write_bytes(shapes.read_bytes()[:100])
gc.disable()  # abandoned reads must still be there when the folder is closed
try:
    kept.restore(1, like)
except checkpoints.Damaged:
    pass
kept.close()
print("closed", file=sys.stderr, flush=True)
gc.collect()
"""


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [True, False])
def test_abandoned_reads_complain_after_the_folder_is_closed(hidden, tmp_path, request):
    """Why the filters stay: without them the complaints come later than any context could end."""
    tests = str(request.config.rootpath / "tests")
    program = DAMAGED.format(tests=tests, tmp=str(tmp_path), hidden=hidden)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = done.stderr.split("closed\n")
    if hidden:
        assert before + after == ""
    else:
        assert "Exception ignored in: <coroutine object" in after


OTHERS = """
import asyncio, logging, sys
from absl import logging as absl_logging
from ferjax.runs import orbax_messages
before = sys.unraisablehook
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
