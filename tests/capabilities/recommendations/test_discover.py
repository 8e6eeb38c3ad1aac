"""Discover: the mixture adds up, own items are never judged, and validation chooses the way of counting."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.capabilities.recommendations.discover import MIXTURES, Mixture, counted, fit_discover, mixed
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, NextSettings, rising
from shopbatch.evaluation.ranking import restricted, top

ITEMS = 12


def drawn(seed: int) -> History:
    draw = np.random.default_rng(seed)
    return History.of(draw.integers(0, 30, 200), draw.integers(0, ITEMS, 200), draw.integers(0, 100, 200), 30, ITEMS)


@pytest.mark.parametrize("settings", [NextSettings(), EaseSettings(2.0, least_users=1)])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_score_is_neighbours_times_trend_plus_popularity(settings, mixture: Mixture) -> None:  # type: ignore[no-untyped-def]
    history = drawn(0)
    part = counted(history, settings)
    newest = history.day.max()
    buyers = [len(set(history.user[(history.item == i) & (history.day > newest - 30)])) for i in range(ITEMS)]
    wanted = (
        part.score(history).dense(ITEMS) * rising(history) ** mixture.trend + mixture.popular * np.array(buyers) / 30
    )
    np.testing.assert_allclose(mixed(part, history, mixture).dense(history), wanted, rtol=1e-6)


def groups(now: bool) -> History:
    """Two kinds of shoppers, who come to the products of their own kind one by one."""
    rows = []
    for user in range(40):
        kind = user % 2 * 6
        shift = user // 2 % 6
        had = [kind + (shift + n) % 6 for n in range(4)]
        rows += [(user, kind + (shift + 4) % 6, 99)] if now else [(user, item, 80 + n) for n, item in enumerate(had)]
    user, item, day = np.array(rows).T
    return History.of(user, item, day, 40, ITEMS)


def test_validation_prefers_what_knows_the_kinds() -> None:
    before, after = groups(False), groups(True)
    blind = EaseSettings(least_users=1000)  # nobody is anybody's neighbour
    seeing = NextSettings()
    way, mixture, worth = fit_discover(before, after, [blind, seeing], cutoff=2)
    assert way == seeing and worth[way, mixture] == max(worth.values()) > max(worth[blind, m] for m in MIXTURES)
    part = mixed(counted(before, way), before, mixture)
    lists = top(restricted(part.dense(before), before.owned(), "new"), 2)
    assert (lists // 6 == (np.arange(40) % 2)[:, None]).all()


def test_a_user_without_history_gets_what_is_popular_and_nobody_is_no_error() -> None:
    history = drawn(1)
    part = mixed(counted(history, NextSettings()), history, Mixture(0.5, 0.5))
    nobody = History.of(*(np.zeros(0, np.int64) for _ in range(3)), users=1, items=ITEMS)
    assert np.array_equal(part.dense(nobody)[0], part.base)
    assert fit_discover(nobody, nobody, [NextSettings(), EaseSettings()])[0] == NextSettings()
