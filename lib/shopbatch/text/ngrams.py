"""N-grams of texts in any language, as numbers of buckets: what is learnt of them holds no word of a text."""

from __future__ import annotations

import re
import unicodedata
import zlib

import numpy as np

BUCKETS = 2**16
_PIECES = re.compile(r"[^\W_\u4e00-\u9fff]+|[\u4e00-\u9fff]+")


def ngrams(text: str) -> list[str]:
    """Return the n-grams of a text: words, and runs of 3 to 5 characters in them; of Chinese, runs of 1 to 3.

    A number counts as 0, whichever it is.
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
    """Return the buckets of a text's n-grams and how much each counts, 1 + log of its occurrences.

    Returns:
        Numbers of buckets, ascending, int64 [k], and weights, float64 [k].
    """
    grams = ngrams(text)
    buckets = np.fromiter(
        (zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS for gram in grams), np.int64, len(grams)
    )
    numbers, counts = np.unique(buckets, return_counts=True)
    return numbers, 1 + np.log(counts)


def rarity(documents: np.ndarray, texts: int) -> np.ndarray:
    """Return the inverse document frequency of buckets, float64 [n].

    Args:
        documents: In how many texts each occurs, [n].
        texts: Number of texts.
    """
    return np.asarray(np.log((1 + texts) / (1 + documents)) + 1)
