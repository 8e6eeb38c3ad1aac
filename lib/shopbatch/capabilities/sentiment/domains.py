"""Assign each review a domain (its source and kind of product), for balanced training and separate metrics.

A domain is a source of reviews, or `source/kind` for a source that mixes several kinds of product. The kind is found by
the words of the review. The source of loaded reviews is the name of their file. Digits in it are ignored, so that the
daily files of a shop form one domain.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.privacy import clean
from shopbatch.text.word_files import WordFile, read_words

UNKNOWN = "unknown"  # domain of a review whose source is unknown
_REST = "other"  # kind of a review whose words are of no kind, or of two equally


class _Kinds(WordFile):
    sources: dict[str, dict[str, list[str]]]


@lru_cache(maxsize=1)
def _patterns() -> dict[str, dict[str, str]]:
    """Return {source: {kind of product: pattern that matches its words}}, for the sources that mix kinds."""
    sources = read_words(_Kinds, "shopbatch.capabilities.sentiment", "kinds.yaml").sources
    return {s: {k: "|".join(map(re.escape, words)) for k, words in kinds.items()} for s, kinds in sources.items()}


def domain_of(texts: pa.Array, source: pa.Array) -> pa.Array:
    """Return the domain of each review, string [n]: `source`, or `source/kind` for a source that mixes kinds.

    A review gets the kind whose words it holds most often, or the kind `other` if no kind is clearly ahead.

    Args:
        texts: The reviews' texts, string [n].
        source: The reviews' sources, string [n]; null where unknown.
    """
    names = pc.fill_null(source, UNKNOWN)
    different = pc.unique(names)
    shown = pa.array([clean(re.sub(r"\d+", "#", name)) for name in different.to_pylist()], pa.string())
    names = shown.take(pc.index_in(names, different))
    for mixed, kinds in _patterns().items():
        rows = pc.indices_nonzero(pc.equal(names, mixed))
        if not len(rows):
            continue
        counts = np.stack(
            [pc.count_substring_regex(texts.take(rows), pattern).to_numpy() for pattern in kinds.values()]
        )
        most = counts.max(axis=0)
        is_clear = (most > 0) & ((counts == most).sum(axis=0) == 1)
        kind = np.where(is_clear, np.array(list(kinds))[counts.argmax(axis=0)], _REST)
        is_mixed = pc.equal(names, mixed)
        names = pc.replace_with_mask(names, is_mixed, pa.array([f"{mixed}/{k}" for k in kind.tolist()], pa.string()))
    return names
