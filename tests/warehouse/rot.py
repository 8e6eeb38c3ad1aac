"""Rot: one bit of a file flips, as on a bad disk. Seeded, so that every flip can be repeated."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shopbatch.core.errors import UserError

FLIPS = int(os.environ.get("SHOPBATCH_FLIPS", "0"))  # a longer count for a person: SHOPBATCH_FLIPS=2000
Read = Callable[[], Any]


def flip(path: Path, draw: random.Random) -> str:
    """Flip one bit of a file for good and say which; half of the flips are in the last tenth, where footers are."""
    data = bytearray(path.read_bytes())
    first = len(data) * 9 // 10 if draw.random() < 0.5 else 0
    byte, bit = draw.randrange(first, len(data)), draw.randrange(8)
    data[byte] ^= 1 << bit
    path.write_bytes(data)
    return f"{path.name}: byte {byte} of {len(data)}, bit {bit}"


@contextmanager
def flipped(path: Path, draw: random.Random) -> Iterator[str]:
    """Flip one bit inside the block."""
    whole = path.read_bytes()
    try:
        yield flip(path, draw)
    finally:
        path.write_bytes(whole)


def silent_flips(path: Path, read: Read, count: int, seed: int = 0) -> tuple[list[str], Counter[str]]:
    """Flip one bit after the other and read what the file holds.

    Returns:
        The flips after which another value was read without an error; and how often each outcome was seen: the name of
        the error, or `same`.

    Raises:
        Exception: Any error of a read but a UserError, which has one line and names the file.
    """
    draw, before = random.Random(f"{path.name} {seed}"), read()
    silent, outcomes = [], Counter[str]()
    for _ in range(count):
        with flipped(path, draw) as where:
            try:
                same = read() == before
            except UserError as error:
                assert "\n" not in str(error) and path.name in str(error), error
                outcomes[type(error).__name__] += 1
                continue
            outcomes["same" if same else "silent"] += 1
            silent += [] if same else [where]
    assert read() == before
    return silent, outcomes
