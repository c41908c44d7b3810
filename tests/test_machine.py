"""Memory that was freed goes back to the system."""

import ctypes
import resource
import sys
from pathlib import Path

import pytest

from ferjax.machine import give_back_freed


def resident():
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc has malloc_trim"
)
def test_freed_memory_below_what_is_held_goes_back():
    blocks = [b"%d" % number * 300 for number in range(100_000, 150_000)]
    last = blocks[-1]  # above all others on the heap, which alone can shrink by itself
    del blocks
    before = resident()
    give_back_freed()
    assert resident() < before - 50e6
    assert len(last) == 1800
