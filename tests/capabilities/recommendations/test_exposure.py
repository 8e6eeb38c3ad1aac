"""What lists show is counted over all their files, and a rise of its inequality or too many empty lists are refused."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.capabilities.recommendations.recommend.exposure import ListGates, shown
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store
from tests.cli.test_recommend import item, put_lists

pytestmark = pytest.mark.usefixtures("ray_local")

PRODUCTS = 200
GATES = ListGates("discover", most_empty=0.1, rise=0.1, products=PRODUCTS)


def live(store: Store, lists: dict[str, list[str]]) -> Snapshot:
    kinds = {"popular": {"kind": "popular", "source": "popular"}}
    rows = {user: [item(p, **kinds.get(p, {})) for p in products] for user, products in lists.items()}
    put_lists(store, "discover", rows)
    return store.snapshot("recommendations").part({"list": "discover"})


def uris(snapshot: Snapshot) -> list[str]:
    return [f.uri for f in snapshot.files]


def test_what_is_shown_is_counted_over_all_files(store: Store) -> None:
    first = live(store, {"u1": ["a", "b"], "u2": [], "u3": ["a", "popular"]})
    other = live(Store(store.root + "-2"), {"u4": ["c"]})
    counted = shown(uris(first) + uris(other))
    assert (counted.lists, counted.empty) == (4, 1)
    assert counted.places == {("repeat", "habit"): 4, ("popular", "popular"): 1}
    assert counted.products.tolist() == [2, 1, 1, 1]
    by_hand = np.array([2, 1, 1, 1, 0])  # of five products
    pairs = np.abs(by_hand[:, None] - by_hand[None]).sum() / (2 * 5 * by_hand.sum())
    assert counted.gini(5) == pytest.approx(pairs)
    assert counted.share_of_top(0.2, 5) == 0.4 and counted.share_of_top(0.4, 5) == pytest.approx(0.6)
    nothing = shown([])
    assert (nothing.lists, nothing.empty, len(nothing.products)) == (0, 0, 0)


def test_a_rise_of_inequality_is_refused(store: Store) -> None:
    even = live(store, {f"u{n}": [f"p{n}"] for n in range(PRODUCTS)})
    crowded = live(Store(store.root + "-2"), {f"u{n}": ["p1"] for n in range(PRODUCTS)})
    empty, exposure = GATES(uris(crowded), even)
    assert empty.passed and not exposure.passed and exposure.value == pytest.approx(1 - 1 / PRODUCTS)
    assert "from 0.000 to 0.995" in exposure.detail and "gates.exposure=1" in exposure.detail
    assert all(gate.passed for gate in GATES(uris(even), crowded))
    assert all(gate.passed for gate in GATES(uris(crowded), crowded))
    assert all(gate.passed for gate in ListGates("discover", 0.1, 1.0, PRODUCTS)(uris(crowded), even))
    assert all(gate.passed for gate in GATES(uris(crowded), None))  # nothing to compare with


def test_too_many_empty_lists_are_refused_if_they_are_many(store: Store) -> None:
    few = live(store, {f"u{n}": [] for n in range(19)})
    many = live(Store(store.root + "-2"), {f"u{n}": ["a"] if n < 17 else [] for n in range(20)})
    assert GATES(uris(few), None)[0].passed
    gate = GATES(uris(many), None)[0]
    assert not gate.passed and gate.value == 0.15 and "3 of 20 lists" in gate.detail
    assert ListGates("discover", 0.15, 0.1, PRODUCTS)(uris(many), None)[0].passed
