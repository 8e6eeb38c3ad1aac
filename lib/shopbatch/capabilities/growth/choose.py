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


def by_reach(candidates: Candidates, sets: Sets, by_node: Index, value: float, limits: Limits) -> Choice:
    """Choose one after the other whoever adds most money to those chosen before.

    What a user adds is uplift x value x the persons reached that nobody chosen before brings, less the cost. That can
    only shrink as others are chosen, so a user is looked at again only when first in line.
    """
    worth = value * sets.drawn_from / max(sets.count, 1)
    left = np.ones(sets.count)  # probability that nobody chosen brings the set's person
    alone = np.array([by_node.start[n + 1] - by_node.start[n] for n in candidates.node], np.float64)
    heap = [(-float(g), int(p), 0) for p, g in enumerate(candidates.uplift * worth * alone) if g > limits.cost]
    heapq.heapify(heap)
    places: list[int] = []
    gains: list[float] = []
    full = _Cascades(candidates, limits.per_cascade)
    while heap and len(places) < limits.most:
        gain, place, looked = heapq.heappop(heap)
        if full.is_full(place):
            continue
        own = by_node.of(int(candidates.node[place]))
        if looked < len(places):
            now = float(candidates.uplift[place] * worth * left[own].sum())
            if now > limits.cost:
                heapq.heappush(heap, (-now, place, len(places)))
            continue
        places.append(place)
        gains.append(-gain - limits.cost)
        left[own] *= 1 - candidates.uplift[place]
        full.add(place)
    return Choice(np.array(places, np.int64), np.array(gains))


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
