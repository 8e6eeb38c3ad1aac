"""Choose the users whom `choose_inviters` asks to invite friends, in two ways that the job compares.

`by_reach` takes users one after the other, each time the one who adds most to the reach of the group: the number of new
users whom the group is expected to bring, each counted once. `by_sum` takes the users with most expected invitees of
their own, without regard to overlaps.

The reach is estimated with random reverse reachable sets (see `reach`): each set belongs to one person drawn at random,
and contains everybody from whom an invitation reaches that person. `by_reach` evaluates lazily, as in CELF (Leskovec et
al. 2007).
"""

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
    """The limits of a plan.

    Attributes:
        users: Most users that are chosen.
        per_cascade: Most users of one cascade (all users who descend from one first user).
        budget: Greatest cost of asking all of them; infinite: no limit.
        cost: Cost of asking one user.
    """

    users: int
    per_cascade: int
    budget: float
    cost: float

    @property
    def most(self) -> int:
        """Return the greatest number of users that `users` and the budget both allow."""
        if not self.cost or np.isinf(self.budget):
            return self.users
        return min(self.users, int(self.budget / self.cost + 1e-9))


@dataclass(frozen=True)
class Candidates:
    """The n users who may be asked, in columns of length n.

    Attributes:
        node: The user's number in the graph of contacts.
        uplift: Probability, 0..1, that the user invites because of being asked.
        cascade: Number of the user's cascade.
    """

    node: Numbers
    uplift: Floats
    cascade: Numbers


@dataclass(frozen=True)
class Choice:
    """The k chosen users, in the order in which they were chosen.

    Attributes:
        places: Positions of the chosen users in the columns of `Candidates`, int64 [k].
        gains: Expected money that each user brings in addition to the users chosen before, the cost of asking
            subtracted, float64 [k].
    """

    places: Numbers
    gains: Floats


class _Adding:
    """Computes how much money one more user adds to those chosen so far.

    The number of persons whom a user reaches in one step (`direct`) is known exactly; the reverse reachable sets only
    estimate the share of them whom no chosen user brings. Persons reached in several steps are counted by the sets. So
    the sets add no noise where the contacts of users do not overlap.
    """

    def __init__(self, candidates: Candidates, by_node: Index, direct: Floats, value: float) -> None:
        self._candidates, self._index, self._direct, self._value = candidates, by_node, direct, value
        self._left = np.ones(by_node.count)  # for each set, the probability that nobody chosen brings its person

    def worth(self, place: int) -> float:
        """Return the money that a candidate would add to the users chosen so far, before the cost of asking.

        Args:
            place: Position among the candidates.
        """
        node = int(self._candidates.node[place])
        near = self._left[self._index.near.of(node)]
        own = self._direct[place] * (near.mean() if len(near) else 1.0)
        far = self._left[self._index.far.of(node)].sum() * self._index.scale
        return float(self._candidates.uplift[place] * self._value * (own + far))

    def take(self, place: int) -> None:
        """Record that a candidate was chosen: persons whom the candidate reaches then add less to the others' gains."""
        node, stays = int(self._candidates.node[place]), 1 - self._candidates.uplift[place]
        for places in (self._index.near, self._index.far):
            self._left[places.of(node)] *= stays


def by_reach(candidates: Candidates, by_node: Index, direct: Floats, value: float, limits: Limits) -> Choice:
    """Choose users one after the other, each time the one who adds most money to those chosen before.

    A user adds uplift * value * n - cost, where n is the number of persons whom the user reaches and whom no user
    chosen before brings. This can only fall as others are chosen, so a user is evaluated again only when it is first in
    the queue.

    Args:
        candidates: The users who may be asked [n].
        by_node: For each node of the graph, the reverse reachable sets that contain it; n is estimated from them.
        direct: Expected persons whom each candidate reaches in one step [n].
        value: Worth of one new user, in money.
        limits: The limits of the plan.
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
    """Estimate anew the money that each chosen user adds to the users chosen before, the cost subtracted, float64 [k].

    The estimate needs sets that were not used for the choice. The sets that were used overestimate the chosen users,
    because these were chosen for their high estimates.

    Args:
        choice: The chosen users.
        candidates: The users who may be asked [n].
        by_node: For each node, the freshly drawn reverse reachable sets that contain it.
        direct: Expected persons whom each candidate reaches in one step [n].
        value: Worth of one new user, in money.
        cost: Cost of asking one user.
    """
    adding, gains = _Adding(candidates, by_node, direct, value), []
    for place in choice.places.tolist():
        gains.append(adding.worth(place) - cost)
        adding.take(place)
    return np.array(gains, np.float64)


def by_sum(candidates: Candidates, direct: Floats, value: float, limits: Limits) -> Choice:
    """Choose the users with the greatest number of expected invitees of their own, without regard to overlaps.

    Args:
        candidates: The users who may be asked [n].
        direct: Expected persons whom each candidate reaches in one step [n].
        value: Worth of one new user, in money.
        limits: The limits of the plan.
    """
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
    """Counts the chosen users of each cascade, to enforce `per_cascade`."""

    def __init__(self, candidates: Candidates, most: int) -> None:
        self._of, self._most = candidates.cascade, most
        self._taken = np.zeros(int(candidates.cascade.max(initial=-1)) + 1, np.int64)

    def is_full(self, place: int) -> bool:
        """Return True if the candidate's cascade has as many chosen users as allowed."""
        return bool(self._taken[self._of[place]] >= self._most)

    def add(self, place: int) -> None:
        """Count a candidate as one more chosen user of its cascade."""
        self._taken[self._of[place]] += 1


@dataclass(frozen=True)
class Expected:
    """An estimated number of new users (`users`) with its standard error (`error`), which is due to the random sets."""

    users: float
    error: float


def expected(sets: Sets, candidates: Candidates, choice: Choice, nodes: int) -> Expected:
    """Estimate how many new users a choice brings, with the standard error.

    Args:
        sets: Reverse reachable sets that were not used for the choice. Sets that were used would overestimate it.
        candidates: The users who may be asked [n].
        choice: The chosen users.
        nodes: Number of nodes of the graph.
    """
    hit = _hits(sets, candidates, choice, nodes)
    return Expected(float(hit.mean() * sets.drawn_from), float(hit.std() / np.sqrt(len(hit)) * sets.drawn_from))


def difference(sets: Sets, candidates: Candidates, one: Choice, other: Choice, nodes: int) -> Expected:
    """Estimate how many more new users the choice `one` brings than the choice `other`; negative if it brings fewer.

    Args:
        sets: Reverse reachable sets that were used for neither choice; both are evaluated on them.
        candidates: The users who may be asked [n].
        one: A choice.
        other: The choice that is compared with it.
        nodes: Number of nodes of the graph.
    """
    hit = _hits(sets, candidates, one, nodes) - _hits(sets, candidates, other, nodes)
    return Expected(float(hit.mean() * sets.drawn_from), float(hit.std() / np.sqrt(len(hit)) * sets.drawn_from))


def _hits(sets: Sets, candidates: Candidates, choice: Choice, nodes: int) -> Floats:
    return group_reach(sets, candidates.node[choice.places], candidates.uplift[choice.places], nodes)
