"""Faults that the fake engines inject."""

from __future__ import annotations

import os
import threading
import time

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import Faults


def inject_faults(faults: Faults, texts: pa.Array) -> None:
    """Wait, exit, hang or raise if `faults` says so for a call with these texts (strings without nulls)."""
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
    return bool(needle) and bool(pc.any(pc.match_substring(texts, needle)).as_py())


def _first(texts: pa.Array, needle: str | None) -> str:
    return str(texts.filter(pc.match_substring(texts, needle))[0])
