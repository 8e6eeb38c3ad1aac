"""Distinct-n: measures how varied generated texts are (Li et al. 2016, "A Diversity-Promoting Objective Function")."""

from __future__ import annotations

import re
from collections.abc import Iterable


def distinct(texts: Iterable[str], n: int = 4) -> float:
    """Return the share of different n-grams among all word n-grams of the texts, 0 to 1; 0 if there are none.

    Words are runs of letters and digits in lower case, or single Chinese characters. The value falls as the number of
    texts grows, so compare only equal numbers of texts.

    Args:
        texts: The texts, such as all product copy of a run.
        n: Number of words of an n-gram.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff_]+", text.lower())
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else 0.0
