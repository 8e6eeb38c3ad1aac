"""Held-out rows that the training rows do not give away: near-duplicates are found by MinHash and left out.

Broder 1997, "On the resemblance and containment of documents": the share of equal minima estimates the Jaccard
similarity of two sets. The library rensa computes minima and bands; what the bands propose is checked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import rensa

SIMILAR = 0.8  # Jaccard similarity of two texts' shingles from which they count as the same
_SHINGLE = 5  # characters
_MINIMA, _BANDS, _SEED = 128, 16, 1  # bands of 8 minima: similar ones of 0.8 are proposed with probability 0.95


def near_duplicates(training: Sequence[str], held_out: Sequence[str], similar: float = SIMILAR) -> np.ndarray:
    """For each held-out text whether a training text resembles it, bool [n].

    Texts are compared as sets of 5-character shingles, letters small, white space and digits as one sign each: two
    templates that differ in an order number are the same.
    """
    known, asked = (
        rensa.RMinHash.digest_matrix_from_token_sets(list(map(shingles, x)), _MINIMA, _SEED)
        for x in (training, held_out)
    )
    found = np.zeros(len(held_out), bool)
    if not len(training) or not len(held_out):
        return found
    lines = np.asarray(known.to_rows(), np.uint32)
    buckets: dict[tuple[int, bytes], list[int]] = {}
    for number, bands in enumerate(_bands(lines)):
        for place, band in enumerate(bands):
            buckets.setdefault((place, band), []).append(number)
    mine = np.asarray(asked.to_rows(), np.uint32)
    for number, bands in enumerate(_bands(mine)):
        proposed = sorted({n for place, band in enumerate(bands) for n in buckets.get((place, band), ())})
        if proposed:
            found[number] = bool(((lines[proposed] == mine[number]).mean(axis=1) >= similar).any())
    return found


def apart(texts: Sequence[str], training: np.ndarray, similar: float = SIMILAR) -> np.ndarray:
    """Which texts to keep, bool [n]: the training texts, and the held-out ones that resemble none of them.

    training: bool [n].
    """
    held = np.flatnonzero(~training)
    keep = np.ones(len(texts), bool)
    known = [texts[i] for i in np.flatnonzero(training).tolist()]
    keep[held[near_duplicates(known, [texts[i] for i in held.tolist()], similar)]] = False
    return keep


def shingles(text: str) -> list[str]:
    """The different runs of 5 characters of a text, at least one."""
    plain = " ".join("".join("0" if c.isdigit() else c for c in text.lower()).split())
    while "00" in plain:
        plain = plain.replace("00", "0")
    return sorted({plain[i : i + _SHINGLE] for i in range(max(1, len(plain) - _SHINGLE + 1))})


def _bands(minima: np.ndarray) -> list[list[bytes]]:
    width = _MINIMA // _BANDS
    return [[row[i : i + width].tobytes() for i in range(0, _MINIMA, width)] for row in minima]
