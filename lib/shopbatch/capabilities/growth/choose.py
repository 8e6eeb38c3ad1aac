"""Whom to ask: greedily by what each adds (lazily, as in CELF, Leskovec et al. 2007), or by each one's own sum."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopbatch.capabilities.growth.reach import Index, Sets, group_reach

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """What a plan may not exceed.

    Attributes:
        users: Users.
        per_cascade: Users of one cascade.
        budget: Cost of asking; infinite: no limit.
        cost: Of asking one user.
    """

    users: int
    per_cascade: int
    budget: float
    cost: float

    @property
    def most(self) -> int:
        """Users that both the cap and the budget allow."""
        if not self.cost or np.isinf(self.budget):
            return self.users
        return min(self.users, int(self.budget / self.cost + 1e-9))


@dataclass(frozen=True)
class Candidates:
    """Users who may be asked, in columns [n].

    Attributes:
        node: Their place in the graph.
        uplift: Probability that each one invites because of being asked.
        cascade: A number for the cascade of each.
    """

    node: Numbers
    uplift: Floats
    cascade: Numbers


@dataclass(frozen=True)
class Choice:
    """Who was chosen, in the order of choice: places among the candidates, and the money that each adds."""

    places: Numbers
    gains: Floats


class _Adding:
    """What each further user adds to those who were taken.

    In one step a user reaches `direct` persons, exactly; the sets say which share of them nobody taken brings. Those
    reached in several steps are counted by the sets. So where nobody's contacts overlap, the sets add no noise.
    """

    def __init__(self, candidates: Candidates, by_node: Index, direct: Floats, value: float) -> None:
        self._candidates, self._index, self._direct, self._value = candidates, by_node, direct, value
        self._left = np.ones(by_node.count)  # probability that nobody taken brings the set's person

    def worth(self, place: int) -> float:
        """Money that a user adds now, before the cost."""
        node = int(self._candidates.node[place])
        near = self._left[self._index.near.of(node)]
        own = self._direct[place] * (near.mean() if len(near) else 1.0)
        far = self._left[self._index.far.of(node)].sum() * self._index.scale
        return float(self._candidates.uplift[place] * self._value * (own + far))

    def take(self, place: int) -> None:
        node, stays = int(self._candidates.node[place]), 1 - self._candidates.uplift[place]
        for places in (self._index.near, self._index.far):
            self._left[places.of(node)] *= stays


def by_reach(candidates: Candidates, by_node: Index, direct: Floats, value: float, limits: Limits) -> Choice:
    """Choose one after the other whoever adds most money to those chosen before.

    What a user adds is uplift x value x the persons reached that nobody chosen before brings, less the cost. That can
    only shrink as others are chosen, so a user is looked at again only when first in line.

    Args:
        candidates: Who may be asked [n].
        by_node: The sets.
        direct: Persons whom each candidate reaches in one step [n].
        value: Of one person.
        limits: What may not be exceeded.
    """
    adding = _Adding(candidates, by_node, direct, value)
    far = np.diff(by_node.far.start)[candidates.node] * by_node.scale
    alone = candidates.uplift * value * (direct + far)
    heap = [(-float(alone[place]), int(place), 0) for place in np.flatnonzero(alone > limits.cost)]
    heapq.heapify(heap)
    places: list[int] = []
    gains: list[float] = []
    full = _Cascades(candidates, limits.per_cascade)
    while heap and len(places) < limits.most:
        worth, place, looked = heapq.heappop(heap)
        if full.is_full(place):
            continue
        if looked < len(places):
            if (now := adding.worth(place)) > limits.cost:
                heapq.heappush(heap, (-now, place, len(places)))
            continue
        places.append(place)
        gains.append(-worth - limits.cost)
        adding.take(place)
        full.add(place)
    return Choice(np.array(places, np.int64), np.array(gains))


def gains_of(
    choice: Choice, candidates: Candidates, by_node: Index, direct: Floats, value: float, cost: float
) -> Floats:
    """Estimate the money that each chosen user adds, in the order of choice, by other sets than those chosen by [k]."""
    adding, gains = _Adding(candidates, by_node, direct, value), []
    for place in choice.places.tolist():
        gains.append(adding.worth(place) - cost)
        adding.take(place)
    return np.array(gains, np.float64)


def by_sum(candidates: Candidates, direct: Floats, value: float, limits: Limits) -> Choice:
    """Choose those with the greatest expected number of invitees of their own; `direct` [n]."""
    worth = candidates.uplift * direct * value - limits.cost
    full = _Cascades(candidates, limits.per_cascade)
    places = np.array(list(_allowed(np.argsort(-worth, kind="stable"), worth, full, limits)), np.int64)
    return Choice(places, worth[places])


def _allowed(order: Numbers, worth: Floats, full: _Cascades, limits: Limits) -> Iterator[int]:
    taken = 0
    for place in order.tolist():
        if taken >= limits.most or worth[place] <= 0:
            return
        if not full.is_full(place):
            full.add(place)
            taken += 1
            yield place


class _Cascades:
    """How many of each cascade have been chosen."""

    def __init__(self, candidates: Candidates, most: int) -> None:
        self._of, self._most = candidates.cascade, most
        self._taken = np.zeros(int(candidates.cascade.max(initial=-1)) + 1, np.int64)

    def is_full(self, place: int) -> bool:
        return bool(self._taken[self._of[place]] >= self._most)

    def add(self, place: int) -> None:
        self._taken[self._of[place]] += 1


@dataclass(frozen=True)
class Expected:
    """New users that a choice is expected to bring, with the standard error of the sample of sets."""

    users: float
    error: float


def expected(sets: Sets, candidates: Candidates, choice: Choice, nodes: int) -> Expected:
    """Estimate what a choice brings; the sets must be others than those that it was made by."""
    hit = _hits(sets, candidates, choice, nodes)
    return Expected(float(hit.mean() * sets.drawn_from), float(hit.std() / np.sqrt(len(hit)) * sets.drawn_from))


def difference(sets: Sets, candidates: Candidates, one: Choice, other: Choice, nodes: int) -> Expected:
    """Estimate how many more `one` brings than `other`, both by the same sets."""
    hit = _hits(sets, candidates, one, nodes) - _hits(sets, candidates, other, nodes)
    return Expected(float(hit.mean() * sets.drawn_from), float(hit.std() / np.sqrt(len(hit)) * sets.drawn_from))


def _hits(sets: Sets, candidates: Candidates, choice: Choice, nodes: int) -> Floats:
    return group_reach(sets, candidates.node[choice.places], candidates.uplift[choice.places], nodes)
