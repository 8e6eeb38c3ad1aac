"""A stack for signal handlers that stays.

Python runs its handlers on the thread's alternate stack. OpenVINO's CPU plugin (2026.4) gives the thread that loads it
such a stack, and frees it when the plugin is unloaded, without taking it back. The next signal that the process handles
then ends it, without a word.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

BYTES = 1 << 17


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def own_signal_stack() -> None:
    """Make the calling thread handle signals on memory that is never freed. Only Linux needs it."""
    if sys.platform == "linux":
        stack = _Stack(ctypes.addressof(_memory()), 0, BYTES)
        ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None)


@lru_cache(maxsize=1)
def _memory() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(BYTES)
