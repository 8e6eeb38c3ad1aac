"""Simulates faults in the fake engines, for tests of how jobs handle failing, hanging or crashing workers."""

from __future__ import annotations

import os
import threading
import time

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import Faults


def inject_faults(faults: Faults, texts: pa.Array) -> None:
    """Sleep, exit, hang or raise if `faults` demands it for a call with these texts; otherwise do nothing.

    Args:
        faults: The faults, each with the text that triggers it.
        texts: The rows of the call: strings without nulls.

    Raises:
        ArithmeticError: A row contains `raise_on`.
        EngineError: A row contains `fail_on`.
    """
    if faults.slow_ms:
        time.sleep(faults.slow_ms / 1000)
    if _contains(texts, faults.exit_on):
        os._exit(1)
    if _contains(texts, faults.hang_on):
        threading.Event().wait()
    # the messages quote the text, as those of real engines do
    if _contains(texts, faults.raise_on):
        raise ArithmeticError(f"the fake engine was told to raise by {_first(texts, faults.raise_on)}")
    if _contains(texts, faults.fail_on):
        raise EngineError(f"the fake engine was told to fail by {_first(texts, faults.fail_on)}")


def _contains(texts: pa.Array, needle: str | None) -> bool:
    """Return True if a text contains `needle`; False if `needle` is None or ""."""
    return bool(needle) and bool(pc.any(pc.match_substring(texts, needle)).as_py())


def _first(texts: pa.Array, needle: str | None) -> str:
    """Return the first text that contains `needle`, for an error message."""
    return str(texts.filter(pc.match_substring(texts, needle))[0])
