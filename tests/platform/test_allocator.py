"""Memory that was freed goes back to the system, or stays for the next step."""

import ctypes
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ferjax.platform.allocator import give_back_freed

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this is glibc's"
)


def resident():
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_freed_memory_below_what_is_held_goes_back():
    blocks = [b"%d" % number * 300 for number in range(100_000, 150_000)]
    last = blocks[-1]  # above all others on the heap, which alone can shrink by itself
    del blocks
    before = resident()
    give_back_freed()
    assert resident() < before - 50e6
    assert len(last) == 1800


FAULTS = """
import resource, sys, threading
from ferjax.platform import allocator
if {keep}:
    allocator.keep_memory()
def step():
    block = bytearray(100_000_000)
    block[::4096] = bytes(len(block[::4096]))
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.parametrize(("keep", "least", "most"), [(False, 1000, 10**6), (True, 0, 500)])
def test_a_kept_block_costs_no_page_fault_the_second_time(keep, least, most):
    program = FAULTS.format(keep=keep)
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert least <= int(answer) <= most
