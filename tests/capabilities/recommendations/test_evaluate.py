"""Evaluation: baselines stand beside each list, and gates refuse what is no better than counting."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.capabilities.recommendations.discover import Discover
from shopbatch.capabilities.recommendations.evaluate import gates, held_out, report
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import NextSettings
from shopbatch.capabilities.recommendations.recommender import Recommender
from tests.capabilities.recommendations.fitting import fit_recommender

USERS, ITEMS, CUT = 120, 60, 200


def shop(seed: int, rule: bool) -> tuple[History, History]:
    """Users of three kinds. With a rule they keep to their kind and to their newer habits; without, nothing is one."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(USERS):
        kind = user % 3 * 20
        for day in range(0, CUT + 30, 5):
            late = day >= 120  # habits change here
            items = kind + (10 if late else 0) + draw.integers(0, 10, 2) if rule else draw.integers(0, ITEMS, 2)
            rows += [(user, int(item), day) for item in items if draw.random() < (0.5 if late or not rule else 0.9)]
    user, item, day = np.array(rows).T
    whole = History.of(user, item, day, USERS, ITEMS)
    return whole.between(0, CUT), whole.between(CUT, CUT + 30)


def fitted(before: History) -> Recommender:
    return fit_recommender(before, [str(i) for i in range(ITEMS)], ways=[NextSettings()])[0]


def test_what_can_be_known_is_better_and_passes() -> None:
    before, after = shop(0, True)
    quality = held_out(fitted(before), before, after)
    tree = report(quality)
    assert tree["window"]["buy_again"]["gain of ndcg@10"]["low"] > 0
    assert tree["window, new"]["discover"]["gain of ndcg@10"]["low"] > 0
    assert "gain of ndcg@10" not in tree["window"]["popularity"]
    basket, window = (len(quality[q]["buy_again"].ten.ndcg) for q in ("next basket", "window"))
    assert basket == window == len(np.unique(after.user))
    assert len(quality["window, new"]["discover"].ten.ndcg) == (after.owned().without(before.owned()).sizes > 0).sum()
    assert 0 < tree["window"]["buy_again"]["coverage"] <= 1
    assert tree["window"]["popularity"]["coverage"] == pytest.approx(10 / ITEMS, abs=1e-5)
    assert all(gate.passed for gate in gates(quality))


def test_noise_is_refused_in_one_sentence() -> None:
    before, after = shop(1, False)
    failed = [gate for gate in gates(held_out(fitted(before), before, after)) if not gate.passed]
    assert "better" in {gate.name for gate in failed}
    assert all(gate.detail and "\n" not in gate.detail for gate in failed)


def test_only_where_a_model_is_live_a_refusal_says_to_keep_it() -> None:
    before, after = shop(0, True)
    good, of_old = fitted(before), 9.0 * (np.arange(ITEMS) % 20 < 10)
    backwards = Recommender(good.product_ids, good.habit, Discover(good.discover.neighbours, of_old))
    quality = held_out(backwards, before, after)
    for live in (False, True):
        failed = [gate for gate in gates(quality, live=live) if not gate.passed]
        assert failed and all(("keep the live model" in gate.detail) == live for gate in failed)


def test_a_list_that_loses_is_refused_though_the_other_one_gains() -> None:
    before, after = shop(0, True)
    good = fitted(before)
    of_old = 9.0 * (np.arange(ITEMS) % 20 < 10)  # proposes what nobody takes up any more
    backwards = Recommender(good.product_ids, good.habit, Discover(good.discover.neighbours, of_old))
    states = {gate.name: gate.passed for gate in gates(held_out(backwards, before, after))}
    assert states == {"better": True, "buy_again is not worse": True, "discover is not worse": False}


def test_nobody_bought_anything_afterwards() -> None:
    before, after = shop(0, True)
    nothing = after.where(np.zeros(len(after.item), bool))
    states = {gate.name: gate.passed for gate in gates(held_out(fitted(before), before, nothing))}
    assert not states["better"]
