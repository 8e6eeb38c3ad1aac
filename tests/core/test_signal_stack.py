"""A signal ends no process whose stack for signals was freed by a library."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems lay stacks out otherwise")
FREED = """
import ctypes, mmap, signal, sys
from shopbatch.core.signal_stack import _Stack, own_signal_stack
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 1 << 16)
place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc.sigaltstack(ctypes.byref(_Stack(place, 0, 1 << 16)), None)
libc.munmap(ctypes.c_void_p(place), ctypes.c_size_t(1 << 16))
if sys.argv[1] == "mended":
    own_signal_stack()
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
signal.raise_signal(signal.SIGUSR1)
import os
os._exit(0)
"""


@pytest.mark.parametrize(("how", "handled"), [("mended", True), ("left", False)])
def test_a_stack_that_was_freed_is_replaced(how: str, handled: bool) -> None:
    done = subprocess.run([sys.executable, "-c", FREED, how], capture_output=True, text=True, check=False)
    assert (done.returncode == 0, done.stdout) == (handled, "handled\n" if handled else "")
