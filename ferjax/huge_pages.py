"""Huge memory pages for training on a CPU."""

import os
import sys

SETTING = "GLIBC_TUNABLES"


def restart() -> None:
    """Starts the running command again with glibc asking Linux for huge pages; does nothing the second time.

    XLA allocates a step's buffers, a gigabyte and more, anew for every step, and with small pages each 4 KiB
    of them is a page fault: about a sixth of the processor time of a ResEmoteNet step at batch 64. glibc
    reads the setting only when a process starts. A user's own value of GLIBC_TUNABLES stays as it is.
    """
    if sys.platform == "linux" and SETTING not in os.environ:
        os.environ[SETTING] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
