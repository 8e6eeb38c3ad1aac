"""Gives signal handlers a stack that is never freed, because OpenVINO leaves a freed one behind.

Python runs its signal handlers on the thread's alternate stack. OpenVINO's CPU plugin (2026.4) sets such a stack for
the thread that loads it, and frees the memory when the plugin is unloaded, without unsetting it. The next signal that
the process handles then kills the process without any message.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

BYTES = 1 << 17


class _Stack(ctypes.Structure):
    """The C struct `stack_t` of Linux."""

    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def own_signal_stack() -> None:
    """Make the calling thread handle signals on memory that is never freed. Does nothing outside Linux.

    Call it before installing a signal handler in a process that may have loaded OpenVINO.
    """
    if sys.platform == "linux":
        stack = _Stack(ctypes.addressof(_memory()), 0, BYTES)
        ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None)


@lru_cache(maxsize=1)
def _memory() -> ctypes.Array[ctypes.c_char]:
    """Return the memory of the stack, which is allocated once and kept for the life of the process."""
    return ctypes.create_string_buffer(BYTES)
