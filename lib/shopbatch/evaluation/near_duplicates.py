"""Finds near-duplicate texts by MinHash, so that held-out texts that resemble a training text can be removed.

Broder 1997, "On the resemblance and containment of documents": the share of equal minima estimates the Jaccard
similarity of two sets. The library rensa computes the minima, which are cut into bands; only texts that share a band
are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import rensa

SIMILAR = 0.8  # Jaccard similarity of two texts' shingles from which they count as near-duplicates
_SHINGLE = 5  # characters
_MINIMA, _BANDS, _SEED = 128, 16, 1  # with bands of 8 minima, a pair of similarity 0.8 shares one with probability 0.95


def near_duplicates(training: Sequence[str], held_out: Sequence[str], similar: float = SIMILAR) -> np.ndarray:
    """Return a mask of the held-out texts that resemble a training text, bool [held-out texts].

    Texts are compared as sets of 5-character shingles in lower case, with every run of white space or digits as one
    character: two templates that differ in an order number are near-duplicates.

    Args:
        training: Training texts.
        held_out: Held-out texts.
        similar: Jaccard similarity from which two texts count as near-duplicates.
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
    """Return the group number of each text, int64 [n]; near-duplicates, directly or through others, share a group.

    A group's number is the position of its first text. `train_intents` keeps each group within one fold of its
    cross-validation.

    Args:
        texts: The texts, compared in the same way as in `near_duplicates`.
        similar: Jaccard similarity from which two texts count as near-duplicates.
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
    """Return a mask of the texts to keep, bool [n]: all training texts, and held-out texts that resemble none of them.

    Args:
        texts: Training and held-out texts together.
        training: True for training texts, False for held-out ones, bool [n].
        similar: Jaccard similarity from which two texts count as near-duplicates.
    """
    held_out = np.flatnonzero(~training)
    keep = np.ones(len(texts), bool)
    training_texts = [texts[i] for i in np.flatnonzero(training).tolist()]
    keep[held_out[near_duplicates(training_texts, [texts[i] for i in held_out.tolist()], similar)]] = False
    return keep


def shingles(text: str) -> list[str]:
    """Return the different 5-character runs (shingles) of a normalised text, sorted, at least one.

    A text is normalised to lower case, single spaces, and one "0" for each run of digits.
    """
    normalised = " ".join("".join("0" if c.isdigit() else c for c in text.lower()).split())
    while "00" in normalised:
        normalised = normalised.replace("00", "0")
    return sorted({normalised[i : i + _SHINGLE] for i in range(max(1, len(normalised) - _SHINGLE + 1))})


def _bands(minima: np.ndarray) -> list[list[bytes]]:
    width = _MINIMA // _BANDS
    return [[row[i : i + width].tobytes() for i in range(0, _MINIMA, width)] for row in minima]
