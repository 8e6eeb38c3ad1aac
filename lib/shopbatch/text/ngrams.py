"""Hashed n-gram features of texts in any language.

Features are bucket numbers, so a model trained on them stores no word of a text.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

import numpy as np

BUCKETS = 2**16
_PIECES = re.compile(r"[^\W_\u4e00-\u9fff]+|[\u4e00-\u9fff]+")


def ngrams(text: str) -> list[str]:
    """Return the n-grams of a text, with repetitions: words, and runs of 3 to 5 characters within them.

    Chinese gives runs of 1 to 3 characters. Every number counts as "0".
    """
    out: list[str] = []
    for piece in _PIECES.findall(unicodedata.normalize("NFKC", text).lower()):
        chinese = "\u4e00" <= piece[0] <= "\u9fff"
        whole = piece if chinese else f"<{'0' if piece.isdigit() else piece}>"
        out += [] if chinese else [f"={whole}"]
        sizes = (1, 2, 3) if chinese else (3, 4, 5)
        out += [whole[i : i + n] for n in sizes for i in range(len(whole) - n + 1)]
    return out


def hashed_ngrams(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the buckets of a text's n-grams with their weights, 1 + log of the number of occurrences.

    Returns:
        Bucket numbers, ascending, int64 [k], and weights, float64 [k].
    """
    grams = ngrams(text)
    buckets = np.fromiter(
        (zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS for gram in grams), np.int64, len(grams)
    )
    numbers, counts = np.unique(buckets, return_counts=True)
    return numbers, 1 + np.log(counts)


def rarity(documents: np.ndarray, texts: int) -> np.ndarray:
    """Return the smoothed inverse document frequency of each bucket, float64 [n]: rare n-grams weigh more.

    Args:
        documents: Number of texts in which each bucket occurs, [n].
        texts: Number of all texts.
    """
    return np.asarray(np.log((1 + texts) / (1 + documents)) + 1)
