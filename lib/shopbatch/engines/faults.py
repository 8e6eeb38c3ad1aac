"""Injected faults of the fake engines."""

from __future__ import annotations

import os
import threading
import time

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import Faults


def strike(faults: Faults, texts: pa.Array) -> None:
    """Do what `faults` says to a call with these texts (strings without nulls)."""
    if faults.slow_ms:
        time.sleep(faults.slow_ms / 1000)
    if _holds(texts, faults.exit_on):
        os._exit(1)
    if _holds(texts, faults.hang_on):
        threading.Event().wait()
    if _holds(texts, faults.raise_on):  # real engines quote their input, too
        raise ArithmeticError(f"the fake engine was told to raise by {_first(texts, faults.raise_on)}")
    if _holds(texts, faults.fail_on):
        raise EngineError(f"the fake engine was told to fail by {_first(texts, faults.fail_on)}")


def _first(texts: pa.Array, needle: str | None) -> str:
    return str(texts.filter(pc.match_substring(texts, needle))[0])


def _holds(texts: pa.Array, needle: str | None) -> bool:
    return bool(needle) and bool(pc.any(pc.match_substring(texts, needle)).as_py())
