"""Keeping freed memory.

glibc gives a large buffer back to the kernel as soon as it is freed, so that every training step has its buffers
cleared and mapped afresh, page by page: about a tenth of the CPU time of a step.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the process keep what it frees, for its next buffer of that size; nothing happens where there is no glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, LARGEST)
