"""How good a ranked list is whose items have grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def graded_ndcg(ranked: Sequence[int], grades: Mapping[int, float], k: int = 10) -> float:
    """Return the discounted gain of the first k places, divided by that of the best list (Järvelin, Kekäläinen 2002).

    Args:
        ranked: Items, best first.
        grades: The gain of each judged item, 0 or more; any other item has none.
        k: Number of places.

    Returns:
        0 to 1; nan if no item has a gain.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = np.sort(np.array([*grades.values()], float))[::-1][:k]
    ideal = float(best @ discount[: len(best)])
    gains = np.array([grades.get(item, 0.0) for item in ranked[:k]], float)
    return float(gains @ discount[: len(gains)]) / ideal if ideal > 0 else float("nan")
