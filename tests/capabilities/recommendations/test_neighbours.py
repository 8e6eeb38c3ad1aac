"""Neighbours: the weights of counting pairs by hand and of inverting the matrix of items, and shares that add up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from shopbatch.capabilities.recommendations import neighbours as module
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import (
    EaseSettings,
    Neighbours,
    NextSettings,
    fit_ease,
    fit_next,
    rising,
)
from shopbatch.capabilities.recommendations.reasons import Bought, because, bought

USERS, ITEMS = 15, 8


def drawn(seed: int, rows: int = 90) -> History:
    draw = np.random.default_rng(seed)
    return History.of(*(draw.integers(0, size, rows) for size in (USERS, ITEMS, 40)), users=USERS, items=ITEMS)


def matrix(part: Neighbours) -> np.ndarray:
    out = np.zeros((ITEMS, ITEMS))
    row, place = np.nonzero(part.item >= 0)
    out[row, part.item[row, place]] = part.weight[row, place]
    return out


@pytest.mark.parametrize("pairs", [1, 4_000_000])  # many tiles, or one
@pytest.mark.parametrize("normal", [0.5, 0.3])
def test_next_counts_days_ahead_and_buyers_of_both(pairs: int, normal: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAIRS", pairs)
    history = drawn(1)
    wanted: dict[tuple[int, int], float] = defaultdict(float)
    sets = []
    for user in range(USERS):
        own_rows = [(d, i) for u, i, d in zip(history.user, history.item, history.day, strict=True) if u == user]
        days = sorted({d for d, _ in own_rows})
        for d, a in own_rows:
            for e, b in own_rows:
                if 0 < days.index(e) - days.index(d) <= 3 and a != b:
                    wanted[a, b] += 1 / (days.index(e) - days.index(d))
        sets.append({i for _, i in own_rows})
    buyers = [sum(i in s for s in sets) for i in range(ITEMS)]
    got = matrix(fit_next(history, NextSettings(steps=3, cosine=0.3, normal=normal)))
    for a in range(ITEMS):
        for b in range(ITEMS):
            both = sum(a in s and b in s for s in sets) if a != b else 0
            value = (wanted[a, b] + 0.3 * both) / (max(1, buyers[a]) ** 0.5 * max(1, buyers[b]) ** normal)
            assert got[a, b] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("cells", [1, 16_000_000])
def test_ease_by_users_is_ease_by_items(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CELLS", cells)
    history = drawn(2)
    x = np.zeros((USERS, ITEMS))
    x[history.user, history.item] = 1
    x[:, 5] = 0  # what one user alone had counts for nothing
    history = history.where(
        (history.item != 5) | (np.arange(len(history.item)) == np.flatnonzero(history.item == 5)[0])
    )
    inverse = np.linalg.inv(x.T @ x + 2.0 * np.eye(ITEMS))
    wanted = -inverse / np.diag(inverse)
    np.fill_diagonal(wanted, 0)
    got = matrix(fit_ease(history, EaseSettings(penalty=2.0, least_users=2)))
    np.testing.assert_allclose(got, np.maximum(wanted, 0), atol=1e-5)


@pytest.mark.parametrize(
    "fit",
    [
        lambda h, keep: fit_next(h, NextSettings(keep=keep)),
        lambda h, keep: fit_ease(h, EaseSettings(2.0, keep, least_users=1)),
    ],
)
def test_the_best_are_kept_in_order(fit) -> None:  # type: ignore[no-untyped-def]
    history = drawn(3)
    whole, short = fit(history, 100), fit(history, 3)
    assert np.array_equal(short.item, whole.item[:, :3]) and np.allclose(short.weight, whole.weight[:, :3])
    assert (np.diff(whole.weight, axis=1) <= 0).all()
    assert ((whole.item >= 0) == (whole.weight > 0)).all()


def test_more_users_than_the_regression_counts_are_drawn_by_the_seed() -> None:
    history = drawn(4)
    few, again, all_ = (fit_ease(history, EaseSettings(2.0, least_users=1, most_users=n)) for n in (6, 6, USERS))
    assert np.array_equal(few.weight, again.weight) and not np.array_equal(few.weight, all_.weight)


def test_the_most_bought_items_take_part() -> None:
    history = drawn(6)
    counts = np.bincount(history.owned().items, minlength=ITEMS)
    best = np.sort(np.argsort(-counts, kind="stable")[:4])
    alone = fit_ease(history.where(np.isin(history.item, best)), EaseSettings(2.0, least_users=1))
    few = fit_ease(history, EaseSettings(2.0, least_users=1, most_items=4))
    assert np.array_equal(few.item, alone.item) and np.array_equal(few.weight, alone.weight)
    assert (few.item[np.setdiff1d(np.arange(ITEMS), best)] == -1).all()


@pytest.mark.parametrize("decay", [1.0, 0.7])
def test_a_score_is_the_sum_of_its_shares_and_reasons_are_the_greatest(decay: float) -> None:
    history = drawn(5)
    part = replace(fit_next(history, NextSettings(decay=decay)), trend=np.linspace(0.5, 2, ITEMS))
    weights, scores = matrix(part), part.score(history).dense(ITEMS)
    back = history.steps_back()
    user, item = (a.ravel() for a in np.meshgrid(np.arange(USERS), np.arange(ITEMS), indexing="ij"))
    reasons = because(part, history, user, item, most=2)
    for u, i, reason in zip(user, item, reasons, strict=True):
        newest = {
            int(o): int(back[(history.user == u) & (history.item == o)].min()) for o in history.item[history.user == u]
        }
        shares = {o: decay**b * weights[o, i] * part.trend[i] for o, b in newest.items() if weights[o, i] > 0}
        assert scores[u, i] == pytest.approx(sum(shares.values()))
        assert len(reason) == min(2, len(shares)) and set(reason) <= set(newest)
        rest = [share for own, share in shares.items() if own not in reason]
        assert all(shares[own] >= max(rest, default=0) - 1e-12 for own in reason)
        assert [shares[own] for own in reason] == sorted((shares[own] for own in reason), reverse=True)


def test_a_habit_names_its_days() -> None:
    history = History.of(np.array([0, 0, 0, 1]), np.array([2, 2, 1, 2]), np.array([7, 30, 30, 9]), 3, 4)
    asked = np.array([0, 0, 1, 2, 0]), np.array([2, 1, 2, 2, 3])
    assert bought(history, *asked) == [Bought(2, 30), Bought(1, 30), Bought(1, 9), None, None]


def test_the_trend_is_above_1_for_what_is_bought_more_than_before() -> None:
    rows = [(u, 0, d) for u in range(9) for d in (10, 50, 90)]  # always
    rows += [(u, 1, 90) for u in range(9)] + [(u, 2, 10) for u in range(9)]  # of late, and long ago
    user, item, day = np.array(rows).T
    always, late, gone, never = rising(History.of(user, item, day, 9, 4))
    assert gone < 1 < late and never == pytest.approx(1) and late == pytest.approx(9.5 / (9 / 3 + 0.5))
    assert always == pytest.approx(late)  # the same nine users in both: buyers are counted once


def test_nobody_and_nothing() -> None:
    empty = History.of(*(np.zeros(0, np.int64) for _ in range(3)), users=2, items=ITEMS)
    for part in (fit_next(empty), fit_ease(empty)):
        assert (part.item == -1).all() and len(part.score(empty).item) == 0
        assert because(part, empty, np.array([1]), np.array([1])) == [[]]
        assert because(part, empty, np.zeros(0, np.int64), np.zeros(0, np.int64)) == []
    assert rising(empty) == pytest.approx(np.ones(ITEMS))


def test_a_user_with_very_many_purchases_costs_no_more_than_the_newest() -> None:
    many = 100_000
    history = History.of(np.zeros(many, np.int64), np.arange(many), np.arange(many) // 50, 1, many)
    part = fit_next(history, NextSettings(most_rows=100, keep=3))
    assert (part.item[: many - 100] == -1).all() and (part.item[many - 100 :] >= many - 100).all()
    assert len(fit_ease(history, EaseSettings(keep=3)).score(history).item) == 0  # every product has one buyer


def test_with_too_many_pairs_the_newest_purchases_count() -> None:
    """Two users with 10 and 4 rows: of 5 rows each there are 25 and 16 pairs, of 6 rows each 36 and 16."""
    user, item, day = np.repeat([0, 1], [10, 4]), np.arange(14) % 11, np.concatenate([np.arange(10), np.arange(4)])
    history = History.of(user, item, day, 2, 11)
    for pairs, rows in ((41, 5), (51, 5), (52, 6), (116, 10), (0, 1)):
        got, wanted = (fit_next(history, NextSettings(**s)) for s in ({"most_pairs": pairs}, {"most_rows": rows}))
        assert np.array_equal(got.item, wanted.item) and np.array_equal(got.weight, wanted.weight)
    alone = (fit_next(history, NextSettings(cosine=0, most_pairs=n)) for n in (0, 10**9))
    assert np.array_equal(*(n.weight for n in alone))
