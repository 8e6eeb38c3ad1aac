"""How many new users an invitation may bring: random reverse reachable sets (Borgs et al. 2014, arXiv:1212.0884).

In the independent cascade model each arc (u, v) carries, with its own probability, an invitation from u on to v. A set
holds everybody from whom a person, drawn at random, would be reached in one draw of the arcs. The expected number of
persons whom a group of users reaches is the share of the sets that hold one of them, times the persons drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_AT_ONCE = 50_000  # sets that grow together
_LONGEST = 64  # steps


@dataclass(frozen=True)
class Graph:
    """Arcs in the order of their heads.

    Attributes:
        nodes: Number of persons.
        start: The arcs into node v are start[v] to start[v + 1] [nodes + 1].
        tail: Where each arc comes from [arcs].
        probability: That it carries an invitation on [arcs].
    """

    nodes: int
    start: Numbers
    tail: Numbers
    probability: npt.NDArray[np.float32]


def graph(nodes: int, tail: Numbers, head: Numbers, probability: Floats) -> Graph:
    """Make a graph of arcs in any order [arcs]."""
    order = np.argsort(head, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(head, minlength=nodes))]).astype(np.int64)
    return Graph(nodes, start, tail[order].astype(np.int64), probability[order].astype(np.float32))


@dataclass(frozen=True)
class Sets:
    """Reverse reachable sets.

    Attributes:
        count: Number of sets.
        drawn_from: Number of persons from whom the sets' first ones were drawn.
        set_of: The set of each member, ascending [members].
        node: The member [members]; the person drawn is not among them.
        near: Whether the member reaches the person drawn in one step [members].
    """

    count: int
    drawn_from: int
    set_of: Numbers
    node: Numbers
    near: npt.NDArray[np.bool_]


def draw_sets(arcs: Graph, persons: Numbers, count: int, seed: int) -> Sets:
    """Draw sets.

    The person drawn is left out of its set: who is asked does not count as brought.

    Args:
        arcs: The graph.
        persons: Those who count when they are reached, such as all who have not joined yet.
        count: Number of sets.
        seed: Of all draws.
    """
    draw = np.random.default_rng(seed)
    parts = [_grow(arcs, persons, first, min(_AT_ONCE, count - first), draw) for first in range(0, count, _AT_ONCE)]
    set_of, node, near = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sets(count, len(persons), set_of, node, near)


def _grow(
    arcs: Graph, persons: Numbers, first: int, count: int, draw: np.random.Generator
) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """Grow `count` sets against the arcs, all of them a step at a time."""
    n = arcs.nodes
    node = persons[draw.integers(0, len(persons), count)] if len(persons) else np.zeros(0, np.int64)
    root = np.arange(len(node)) * n + node
    key = seen = root
    one_step: Numbers | None = None
    for _ in range(_LONGEST):
        node, owner = key % n, key // n
        some = arcs.start[node + 1] - arcs.start[node]
        total = int(some.sum())
        if not total:
            break
        place = np.repeat(arcs.start[node] - np.concatenate([[0], np.cumsum(some)[:-1]]), some) + np.arange(total)
        carries = draw.random(total, dtype=np.float32) < arcs.probability[place]
        key = np.unique(np.repeat(owner, some)[carries] * n + arcs.tail[place[carries]])
        key = key[seen[np.minimum(np.searchsorted(seen, key), len(seen) - 1)] != key]
        one_step = key if one_step is None else one_step
        seen = _merged(seen, key)
    members = seen[np.isin(seen, root, invert=True)]
    return members // n + first, members % n, np.isin(members, root[:0] if one_step is None else one_step)


def _merged(one: Numbers, other: Numbers) -> Numbers:
    """Merge two ascending arrays without common values."""
    return np.insert(one, np.searchsorted(one, other), other)


@dataclass(frozen=True)
class Places:
    """The sets of each node: those of node v are sets[start[v]:start[v + 1]]."""

    start: Numbers
    sets: Numbers

    def of(self, node: int) -> Numbers:
        """Return the sets that hold a node."""
        return self.sets[self.start[node] : self.start[node + 1]]


@dataclass(frozen=True)
class Index:
    """The members of sets by node: those of one step, and those of several; and the persons that one set stands for."""

    near: Places
    far: Places
    scale: float
    count: int


def index(sets: Sets, nodes: int) -> Index:
    """Sort the members by node."""

    def places(chosen: npt.NDArray[np.bool_]) -> Places:
        node = sets.node[chosen]
        start = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=nodes))]).astype(np.int64)
        return Places(start, sets.set_of[chosen][np.argsort(node, kind="stable")])

    return Index(places(sets.near), places(~sets.near), sets.drawn_from / max(sets.count, 1), sets.count)


def direct_reach(arcs: Graph, persons: Numbers) -> Floats:
    """Expected persons whom each node reaches in one step: the sum of the probabilities [nodes]."""
    counts = np.zeros(arcs.nodes, bool)
    counts[persons] = True
    head = np.repeat(np.arange(arcs.nodes), np.diff(arcs.start))
    weight = np.where(counts[head], arcs.probability, 0.0)
    return np.asarray(np.bincount(arcs.tail, weights=weight, minlength=arcs.nodes))


def single_reach(sets: Sets, direct: Floats) -> Floats:
    """Expected persons whom each node reaches alone [nodes].

    Those reached in one step are known exactly; of the sets only those count into which a node came in several steps.
    """
    far = np.bincount(sets.node[~sets.near], minlength=len(direct))
    return np.asarray(direct + far * (sets.drawn_from / max(sets.count, 1)))


def group_reach(sets: Sets, chosen: Numbers, uplift: Floats, nodes: int) -> Floats:
    """Return, for each set, the probability that somebody chosen who invites is in it [sets].

    Times `drawn_from`, the mean is the number of persons whom asking the chosen is expected to bring.

    Args:
        sets: The sets.
        chosen: Nodes [k].
        uplift: Probability that each of them invites because of being asked [k].
        nodes: Number of nodes.
    """
    stays_away = np.zeros(nodes)
    stays_away[chosen] = np.log1p(-np.minimum(uplift, 1 - 1e-12))
    return np.asarray(-np.expm1(np.bincount(sets.set_of, weights=stays_away[sets.node], minlength=sets.count)))
