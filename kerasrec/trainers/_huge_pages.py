"""Huge pages under large tables.

A step reads random rows, and in a large table nearly every row is on another memory page: looking up the
page then takes as long as reading the row. Linux has pages of 2 MB, but with its usual setting it gives them
only to memory for which they are requested. NumPy requests them for its arrays; TensorFlow and JAX do not.
"""

import ctypes
import functools
import mmap
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# Size in bytes from which page lookups take a noticeable time.
LARGE = 2**24
_HUGEPAGE, _COLLAPSE = 14, 25  # advice for Linux's `madvise`; Python's mmap has only the first


@functools.cache
def on_request() -> bool:
    """Whether this system gives huge pages only on request."""
    if sys.platform != "linux" or os.environ.get("KERASREC_HUGE_PAGES") == "0":
        return False
    return SETTING.exists() and "[madvise]" in SETTING.read_text()


def move(parts: Sequence[tuple[int, int]]) -> None:
    """Move memory to huge pages, in the background: half a gigabyte takes about a second.

    The content does not change, and can be read and written meanwhile. If the system has no free huge page or
    is older than Linux 6.1, pages stay as they are for now.

    Args:
        parts: addresses and sizes in bytes.
    """
    threading.Thread(target=_move, args=(parts,), name="kerasrec-huge-pages", daemon=True).start()


def _move(parts: Sequence[tuple[int, int]]) -> None:
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for address, n_bytes in parts:
        start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
        for advice in (_HUGEPAGE, _COLLAPSE):
            madvise(start, address + n_bytes - start, advice)
