"""The near-duplicate filter: held-out texts that resemble a training text are found by MinHash and left out.

Broder 1997, "On the resemblance and containment of documents": the share of equal minima estimates the Jaccard
similarity of two sets. The library rensa computes minima and bands; candidates that share a band are then compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import rensa

SIMILAR = 0.8  # Jaccard similarity of two texts' shingles from which they count as near-duplicates
_SHINGLE = 5  # characters
_MINIMA, _BANDS, _SEED = 128, 16, 1  # with bands of 8 minima, a pair of similarity 0.8 shares one with probability 0.95


def near_duplicates(training: Sequence[str], held_out: Sequence[str], similar: float = SIMILAR) -> np.ndarray:
    """Return for each held-out text whether it resembles a training text, bool [n].

    Texts are compared as sets of 5-character shingles in lower case, with every run of white space or digits as one
    character: two templates that differ in an order number are near-duplicates.

    Args:
        training: Training texts.
        held_out: Held-out texts.
        similar: Jaccard similarity from which texts count as near-duplicates.
    """
    training_minima, held_out_minima = (
        rensa.RMinHash.digest_matrix_from_token_sets(list(map(shingles, texts)), _MINIMA, _SEED)
        for texts in (training, held_out)
    )
    duplicate = np.zeros(len(held_out), bool)
    if not len(training) or not len(held_out):
        return duplicate
    known = np.asarray(training_minima.to_rows(), np.uint32)
    by_band: dict[tuple[int, bytes], list[int]] = {}
    for number, bands in enumerate(_bands(known)):
        for place, band in enumerate(bands):
            by_band.setdefault((place, band), []).append(number)
    asked = np.asarray(held_out_minima.to_rows(), np.uint32)
    for number, bands in enumerate(_bands(asked)):
        candidates = sorted({n for place, band in enumerate(bands) for n in by_band.get((place, band), ())})
        if candidates:
            duplicate[number] = bool(((known[candidates] == asked[number]).mean(axis=1) >= similar).any())
    return duplicate


def near_duplicate_groups(texts: Sequence[str], similar: float = SIMILAR) -> np.ndarray:
    """Return the group of each text, int64 [n]: near-duplicates, and near-duplicates of these, share one.

    A group's number is that of its first text.

    Args:
        texts: The texts, which are compared as `near_duplicates` does.
        similar: Jaccard similarity from which texts count as near-duplicates.
    """
    group = np.arange(len(texts))
    if not len(texts):
        return group
    minima = rensa.RMinHash.digest_matrix_from_token_sets(list(map(shingles, texts)), _MINIMA, _SEED)
    known = np.asarray(minima.to_rows(), np.uint32)
    by_band: dict[tuple[int, bytes], list[int]] = {}
    for number, bands in enumerate(_bands(known)):
        for place, band in enumerate(bands):
            by_band.setdefault((place, band), []).append(number)
    for members in by_band.values():
        first = members[0]
        for other in members[1:]:
            alike = group[first] != group[other] and (known[first] == known[other]).mean() >= similar
            if alike:
                low, high = sorted((int(group[first]), int(group[other])))
                group[group == high] = low
    return group


def without_near_duplicates(texts: Sequence[str], training: np.ndarray, similar: float = SIMILAR) -> np.ndarray:
    """Return which texts to keep, bool [n]: all training texts, and the held-out texts that resemble none of them.

    Args:
        texts: Training and held-out texts.
        training: Which of them are training texts, bool [n].
        similar: Jaccard similarity from which texts count as near-duplicates.
    """
    held_out = np.flatnonzero(~training)
    keep = np.ones(len(texts), bool)
    training_texts = [texts[i] for i in np.flatnonzero(training).tolist()]
    keep[held_out[near_duplicates(training_texts, [texts[i] for i in held_out.tolist()], similar)]] = False
    return keep


def shingles(text: str) -> list[str]:
    """Return the different runs of 5 characters of a normalised text, at least one."""
    normalised = " ".join("".join("0" if c.isdigit() else c for c in text.lower()).split())
    while "00" in normalised:
        normalised = normalised.replace("00", "0")
    return sorted({normalised[i : i + _SHINGLE] for i in range(max(1, len(normalised) - _SHINGLE + 1))})


def _bands(minima: np.ndarray) -> list[list[bytes]]:
    width = _MINIMA // _BANDS
    return [[row[i : i + width].tobytes() for i in range(0, _MINIMA, width)] for row in minima]
