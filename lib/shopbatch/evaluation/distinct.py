"""How varied texts are: distinct-n (Li et al. 2016, A Diversity-Promoting Objective Function), over a set of texts."""

from __future__ import annotations

import re
from collections.abc import Iterable


def distinct(texts: Iterable[str], n: int = 4) -> float:
    """Share of different n-grams of words among all n-grams of the texts, 0 to 1; 0 where there is none.

    Words are runs of letters and digits in small letters; of Chinese, single characters. It falls as texts become
    more: compare equal numbers of texts.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff_]+", text.lower())
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else 0.0
