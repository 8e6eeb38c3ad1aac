"""A whole recommender from one history, as `train_recommender` fits its counting parts."""

from __future__ import annotations

from collections.abc import Sequence

from shopbatch.capabilities.recommendations.fit import Choice, choose, fitted
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, NextSettings
from shopbatch.capabilities.recommendations.recommender import Recommender

HALF_LIVES = (None, 45.0, 90.0, 180.0)
WAYS = (EaseSettings(), NextSettings())


def fit_recommender(
    history: History,
    product_ids: Sequence[str],
    validation_days: int = 30,
    half_lives: Sequence[float | None] = HALF_LIVES,
    ways: Sequence[NextSettings | EaseSettings] = WAYS,
) -> tuple[Recommender, Choice]:
    """Choose everything on the newest days, then fit it to the whole history.

    Args:
        history: Everything that may be used.
        product_ids: Names of the items.
        validation_days: The newest days that choices are judged by.
        half_lives: Decays to choose from, in days; None for none.
        ways: Ways of counting neighbours to choose from.
    """
    end = int(history.day.max(initial=0)) + 1
    cut = end - validation_days
    before, after = history.between(int(history.day.min(initial=cut)), cut), history.between(cut, end)
    choice, _ = choose(before, after, half_lives, ways)
    return fitted(history, product_ids, choice), choice
