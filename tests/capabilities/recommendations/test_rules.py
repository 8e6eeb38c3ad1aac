"""Rules: a list holds nothing that it must not hold, nothing twice, and is no longer than it may be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.recommendations.history import History
from tests.capabilities.recommendations.rules import (
    Candidate,
    Owned,
    Product,
    Rules,
    allowed,
    listed,
    repeat_shares,
)


def candidate(name: str, score: float, source: str = "habit") -> Candidate:
    return Candidate(name, score, "repeat", source)


def product(name: str, **groups: str) -> Product:
    return Product(name, groups=groups)


CATALOGUE = {
    "milk": product("milk", department="FOOD", category="MILK", product_type="WHOLE"),
    "cream": product("cream", department="FOOD", category="MILK", product_type="CREAM"),
    "bread": product("bread", department="FOOD", category="BREAD", product_type="WHITE"),
    "petrol": product("petrol", department="FUEL"),
    "lipstick": product("lipstick", category="COSMETICS"),
    "tea": Product("tea", market="GB"),
    "gone": Product("gone", available=False),
}


@pytest.mark.parametrize(
    ("name", "owned", "market", "want"),
    [
        ("milk", None, None, True),
        ("unheard of", None, None, False),
        ("gone", Owned(1), None, False),
        ("petrol", Owned(1), None, False),
        ("bread", None, None, False),
        ("tea", None, None, True),
        ("tea", None, "GB", True),
        ("tea", None, "US", False),
        ("milk", None, "US", True),
        ("lipstick", None, None, True),
        ("lipstick", Owned(179), None, False),
        ("lipstick", Owned(180), None, True),
        ("milk", Owned(1), None, True),
        ("milk", Owned(1, returned_days_ago=364), None, False),
        ("milk", Owned(1, returned_days_ago=365), None, True),
    ],
)
def test_what_a_list_may_hold(name: str, owned: Owned | None, market: str | None, want: bool) -> None:
    rules = Rules(
        excluded_products={"bread"},
        excluded_groups={"department": {"FUEL"}},
        repeatable={"COSMETICS": 0.057, "MILK": 0.3},
    )
    assert allowed(CATALOGUE.get(name), owned, rules, market) is want


def test_repeatability_is_learned_by_group() -> None:
    rows = [(u, 0, d) for u in range(20) for d in ((1, 2) if u < 7 else (1,))] + [(u, 1, 1) for u in range(40)]
    rows += [(u, 2, d) for u in range(10) for d in (1, 2)] + [(u, 3, d) for u in range(30) for d in (1, 2)]
    user, item, day = np.array(rows).T
    shares = repeat_shares(History.of(user, item, day, 40, 4), ["MILK", "RAZOR", "SELDOM", None])
    assert shares == {"MILK": pytest.approx(0.35), "RAZOR": 0.0}


def test_the_best_candidate_of_a_product_counts_and_equal_scores_have_one_order() -> None:
    many = [candidate("milk", 1, "neighbours"), candidate("milk", 3), candidate("cream", 2), candidate("bread", 2)]
    best = listed(many, CATALOGUE, {}, Rules())
    assert [(c.product_id, c.source) for c in best] == [("milk", "habit"), ("bread", "habit"), ("cream", "habit")]
    assert listed(many[::-1], CATALOGUE, {}, Rules()) == best


def test_diversity_puts_another_kind_before_more_of_the_same() -> None:
    shop = {n: product(n, product_type="A" if n < "d" else "B") for n in "abcde"}
    some = [candidate(n, 10 - place) for place, n in enumerate("abcde")]
    assert "".join(c.product_id for c in listed(some, shop, {}, Rules(size=4))) == "abcd"
    assert "".join(c.product_id for c in listed(some, shop, {}, Rules(size=4, mmr=0.5))) == "adbc"
    assert "".join(c.product_id for c in listed(some, shop, {}, Rules(most_per_group={"product_type": 1}))) == "ad"
    likeness = {("a", "d"): 1.0}
    other = listed(some, shop, {}, Rules(size=2, mmr=0.5), alike=lambda a, b: likeness.get((a, b), 0.0))
    assert "".join(c.product_id for c in other) == "ab"


names = st.sampled_from([*CATALOGUE, "unheard of"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.builds(candidate, names, st.integers(0, 3).map(float)), max_size=20),
    st.dictionaries(names, st.builds(Owned, st.integers(0, 400), st.none() | st.integers(0, 400))),
    st.builds(
        Rules,
        size=st.integers(0, 8),
        excluded_products=st.frozensets(names, max_size=2),
        excluded_groups=st.just({"department": {"FUEL"}}) | st.just({}),
        repeatable=st.just({"COSMETICS": 0.05}),
        mmr=st.sampled_from([1.0, 0.5, 0.0]),
        most_per_group=st.sampled_from([{}, {"category": 1}, {"department": 2}]),
    ),
    st.sampled_from([None, "GB", "US"]),
)
def test_no_list_holds_what_it_must_not(
    some: list[Candidate], owned: dict[str, Owned], rules: Rules, market: str | None
) -> None:
    out = listed(some, CATALOGUE, owned, rules, market)
    assert len(out) <= rules.size and len({c.product_id for c in out}) == len(out)
    for c in out:
        assert c in some and allowed(CATALOGUE[c.product_id], owned.get(c.product_id), rules, market)
    for column, most in rules.most_per_group.items():
        counts = Counter(CATALOGUE[c.product_id].groups.get(column) for c in out)
        assert all(count <= most for value, count in counts.items() if value is not None)
    if rules.mmr == 1 and not rules.most_per_group:  # nothing is left out without a reason
        good = {
            c.product_id for c in some if allowed(CATALOGUE.get(c.product_id), owned.get(c.product_id), rules, market)
        }
        assert len(out) == min(rules.size, len(good))
