"""Reach against all draws of the arcs of small graphs; the choice against all choices; caps."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.growth import choose, reach
from shopbatch.capabilities.growth.choose import Candidates, Limits

pytestmark = pytest.mark.slow

Arc = tuple[int, int, float]
NODES = 7


def exact(arcs: list[Arc], persons: list[int], chosen: list[int], uplift: float) -> float:
    """Expected persons reached, by every draw of the arcs and of who of the chosen invites."""
    total = 0.0
    for carries in product((False, True), repeat=len(arcs)):
        share = np.prod([p if c else 1 - p for c, (_, _, p) in zip(carries, arcs, strict=True)])
        for invites in product((False, True), repeat=len(chosen)):
            weight = share * np.prod([uplift if i else 1 - uplift for i in invites])
            start = {c for c, i in zip(chosen, invites, strict=True) if i}
            # nobody brings oneself, so each of them counts what is reached from the others only
            reached = set()
            for one in start:
                seen, waiting = {one}, [one]
                while waiting:
                    node = waiting.pop()
                    for (tail, head, _), c in zip(arcs, carries, strict=True):
                        if c and tail == node and head not in seen:
                            seen.add(head)
                            waiting.append(head)
                reached |= seen - {one}
            total += weight * len(reached & set(persons))
    return total


@st.composite
def small_graphs(draw: st.DrawFn) -> tuple[list[Arc], list[int]]:
    pairs = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda a: a[0] != a[1])
    arcs = draw(st.lists(pairs, min_size=1, max_size=7, unique=True))
    chances = draw(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=len(arcs), max_size=len(arcs)))
    persons = draw(st.lists(st.integers(0, NODES - 1), min_size=1, unique=True))
    return [(t, h, p) for (t, h), p in zip(arcs, chances, strict=True)], sorted(persons)


def made(arcs: list[Arc]) -> reach.Graph:
    tail, head, chance = (np.array(column) for column in zip(*arcs, strict=True))
    return reach.graph(NODES, tail.astype(np.int64), head.astype(np.int64), chance)


@settings(max_examples=15, deadline=None)
@given(small_graphs(), st.lists(st.integers(0, NODES - 1), min_size=1, max_size=2, unique=True))
def test_reach_is_what_all_draws_of_the_arcs_say(case: tuple[list[Arc], list[int]], chosen: list[int]) -> None:
    arcs, persons = case
    sets = reach.draw_sets(made(arcs), np.array(persons), 60_000, 1)
    uplift = np.full(len(chosen), 0.7)
    found = reach.group_reach(sets, np.array(chosen), uplift, NODES).mean() * sets.drawn_from
    assert found == pytest.approx(exact(arcs, persons, chosen, 0.7), abs=0.015 * len(persons) + 0.005)
    direct = reach.direct_reach(made(arcs), np.array(persons))
    alone = reach.single_reach(sets, direct)
    assert alone[chosen[0]] == pytest.approx(exact(arcs, persons, chosen[:1], 1.0), abs=0.015 * len(persons) + 0.005)
    for node in range(NODES):
        assert direct[node] == pytest.approx(sum(p for t, h, p in arcs if t == node and h in persons), abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(small_graphs())
def test_the_lazy_choice_is_the_plain_greedy_one(case: tuple[list[Arc], list[int]]) -> None:
    arcs, persons = case
    whole = made(arcs)
    sets, direct = reach.draw_sets(whole, np.array(persons), 4_000, 2), reach.direct_reach(whole, np.array(persons))
    uplift = np.linspace(0.2, 0.8, NODES)
    everyone = Candidates(np.arange(NODES), uplift, np.arange(NODES))
    choice = choose.by_reach(everyone, reach.index(sets, NODES), direct, 5.0, Limits(3, 1, np.inf, 0.1))
    left = np.ones(sets.count)
    for place, gain in zip(choice.places, choice.gains, strict=True):
        worth = {}
        for n in range(NODES):
            near, far = (left[sets.set_of[(sets.node == n) & (sets.near == one_step)]] for one_step in (True, False))
            own = direct[n] * (near.mean() if len(near) else 1.0) + far.sum() * sets.drawn_from / sets.count
            worth[n] = uplift[n] * 5.0 * own - 0.1
        for before in choice.places[: list(choice.places).index(place)]:
            del worth[int(before)]
        assert gain == pytest.approx(max(worth.values()), abs=1e-6)
        assert worth[int(place)] == pytest.approx(gain, abs=1e-6) and gain > 0
        left[sets.set_of[sets.node == place]] *= 1 - uplift[place]
    again = choose.gains_of(choice, everyone, reach.index(sets, NODES), direct, 5.0, 0.1)
    assert again == pytest.approx(choice.gains, abs=1e-9)
    assert choose.expected(sets, everyone, choice, NODES).users * 5.0 - 0.1 * len(choice.places) == pytest.approx(
        float(choice.gains.sum()), abs=0.3 * len(persons) + 0.05
    )


def test_who_reach_the_same_persons_are_not_both_asked() -> None:
    """Two users with the same six friends, and one with four of her own: the sum asks for the double."""
    arcs = [(0, h, 0.9) for h in range(3, 9)] + [(1, h, 0.9) for h in range(3, 9)] + [(2, h, 0.9) for h in range(9, 13)]
    tail, head, chance = (np.array(column) for column in zip(*arcs, strict=True))
    whole = reach.graph(13, tail, head, chance)
    persons = np.arange(3, 13)
    one, fresh = (reach.draw_sets(whole, persons, 20_000, seed) for seed in (1, 2))
    users = Candidates(np.arange(3), np.ones(3), np.arange(3))
    limits = Limits(2, 1, np.inf, 0.0)
    direct = reach.direct_reach(whole, persons)[:3]
    ours = choose.by_reach(users, reach.index(one, 13), direct, 1.0, limits)
    theirs = choose.by_sum(users, direct, 1.0, limits)
    assert 2 in ours.places and sorted(theirs.places.tolist()) == [0, 1]
    more = choose.difference(fresh, users, ours, theirs, 13)
    assert more.users - 3 * more.error > 2.5
    best = max(combinations(range(3), 2), key=lambda c: reach.group_reach(fresh, np.array(c), np.ones(2), 13).sum())
    assert sorted(ours.places.tolist()) in ([0, 2], [1, 2]) and 2 in best


@pytest.mark.parametrize("cost", [0.0, 1.0])
def test_on_two_graphs_the_choice_is_no_worse_than_the_sum_of_probabilities(cost: float) -> None:
    draw = np.random.default_rng(3)
    n, arcs = 4_000, 24_000
    tail = draw.integers(0, n, arcs)
    near = np.where(draw.random(arcs) < 0.9, tail // 40 * 40 + draw.integers(0, 40, arcs), draw.integers(0, n, arcs))
    grouped = reach.graph(n, tail, near, np.clip(0.08 * draw.gamma(0.5, 2.0, n // 40 + 1)[tail // 40], 0, 0.6))
    skew = np.minimum((n * draw.random(arcs) ** 4).astype(np.int64), n - 1)
    unequal = reach.graph(n, skew, draw.integers(0, n, arcs), draw.choice([0.02, 0.05, 0.1], arcs))
    for whole, least in ((grouped, 1.2), (unequal, 0.99)):
        everyone = Candidates(np.arange(n), np.ones(n), np.arange(n))
        one, fresh = (reach.draw_sets(whole, np.arange(n), 60_000, seed) for seed in (1, 2))
        limits = Limits(30, 1, np.inf, cost)
        direct = reach.direct_reach(whole, np.arange(n))
        ours = choose.by_reach(everyone, reach.index(one, n), direct, 1.0, limits)
        theirs = choose.by_sum(everyone, direct, 1.0, limits)
        mine, sums = (choose.expected(fresh, everyone, c, n) for c in (ours, theirs))
        assert mine.users >= least * sums.users - 2 * mine.error


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.sampled_from([np.inf, 0.0, 0.35, 2.0]), st.integers(0, 10**6))
def test_caps_hold(users: int, per_cascade: int, budget: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    whole = reach.graph(60, draw.integers(0, 60, 200), draw.integers(0, 60, 200), draw.random(200))
    sets = reach.draw_sets(whole, np.arange(60), 2_000, 1)
    asked = Candidates(np.arange(60), draw.random(60), draw.integers(0, 9, 60))
    limits = Limits(users, per_cascade, budget, 0.1)
    for choice in (
        choose.by_reach(asked, reach.index(sets, 60), reach.direct_reach(whole, np.arange(60)), 2.0, limits),
        choose.by_sum(asked, reach.direct_reach(whole, np.arange(60)), 2.0, limits),
    ):
        assert len(choice.places) <= users and len(choice.places) * 0.1 <= budget + 1e-9
        assert len(set(choice.places.tolist())) == len(choice.places)
        assert np.bincount(asked.cascade[choice.places]).max(initial=0) <= per_cascade
        assert np.all(choice.gains > 0) and np.all(np.diff(choice.gains) <= 1e-9)
