"""Estimate how many persons a group of users reaches by invitations, with random reverse reachable sets.

The method is that of Borgs et al. (2014, arXiv:1212.0884). In the independent cascade model each arc (u, v) passes an
invitation on from u to v with its own probability. For a person drawn at random, the reverse reachable set holds
everybody from whom an invitation reaches that person in one draw of the arcs. The expected number of persons whom a
group reaches is the share of sets that hold a member of the group, times the number of persons drawn from.
`choose_inviters` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_AT_ONCE = 50_000  # sets that are grown together, to bound memory
_LONGEST = 64  # most steps from a member to the set's person


@dataclass(frozen=True)
class Graph:
    """A directed graph of persons with a probability per arc, stored as compressed sparse columns.

    Attributes:
        nodes: Number of persons.
        start: int64 [nodes + 1]. The arcs into person v are those at `start[v]:start[v + 1]`.
        tail: int64 [arcs]. The person that each arc comes from.
        probability: float32 [arcs]. The probability that an invitation travels along the arc.
    """

    nodes: int
    start: Numbers
    tail: Numbers
    probability: npt.NDArray[np.float32]


def graph(nodes: int, tail: Numbers, head: Numbers, probability: Floats) -> Graph:
    """Build a graph from arcs in any order.

    Args:
        nodes: Number of persons.
        tail: The node that each arc comes from [arcs].
        head: The node that each arc leads to [arcs].
        probability: Probability that an arc passes an invitation on [arcs].
    """
    order = np.argsort(head, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(head, minlength=nodes))]).astype(np.int64)
    return Graph(nodes, start, tail[order].astype(np.int64), probability[order].astype(np.float32))


@dataclass(frozen=True)
class Sets:
    """Random reverse reachable sets, as a flat list of (set, member) pairs.

    Each set was drawn for one person. Its members are all from whom an invitation reaches that person; the person is
    not a member.

    Attributes:
        count: Number of sets.
        drawn_from: Number of persons from whom the sets' persons were drawn.
        set_of: The set that each member belongs to, 0 to count - 1, ascending [members].
        node: Node of each member in the graph [members].
        near: True if the member reaches the set's person in one step [members].
    """

    count: int
    drawn_from: int
    set_of: Numbers
    node: Numbers
    near: npt.NDArray[np.bool_]


def draw_sets(arcs: Graph, persons: Numbers, count: int, seed: int) -> Sets:
    """Draw random reverse reachable sets.

    The person for whom a set is drawn is left out of it, because a user who is asked to invite is not a new user.

    Args:
        arcs: The graph.
        persons: The nodes whose reaching is wanted: persons who have not joined yet.
        count: Number of sets.
        seed: Seed of all draws.
    """
    draw = np.random.default_rng(seed)
    parts = [_grow(arcs, persons, first, min(_AT_ONCE, count - first), draw) for first in range(0, count, _AT_ONCE)]
    set_of, node, near = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sets(count, len(persons), set_of, node, near)


def _grow(
    arcs: Graph, persons: Numbers, first: int, count: int, draw: np.random.Generator
) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """Grow `count` sets together, one step against the direction of the arcs at a time.

    Returns:
        Of each member: the number of its set (from `first` on), its node, and whether it is one step from the person.
    """
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
    """Merge two sorted arrays that have no value in common into one sorted array."""
    return np.insert(one, np.searchsorted(one, other), other)


@dataclass(frozen=True)
class Places:
    """For each node, the reverse reachable sets that hold it (compressed rows).

    Attributes:
        start: Node v is in the sets sets[start[v]:start[v + 1]] [nodes + 1].
        sets: Indexes of sets, 0 to `Sets.count` - 1, grouped by node.
    """

    start: Numbers
    sets: Numbers

    def of(self, node: int) -> Numbers:
        """Return the numbers of the reverse reachable sets that hold a node."""
        return self.sets[self.start[node] : self.start[node + 1]]


@dataclass(frozen=True)
class Index:
    """The reverse reachable sets that contain each node, for fast look-up.

    The person of a set is the one for whom the set was drawn.

    Attributes:
        near: For each node, the sets whose person the node reaches in one step.
        far: For each node, the sets whose person the node reaches in several steps only.
        scale: Number of persons that one set stands for: `Sets.drawn_from` / number of sets.
        count: Number of sets.
    """

    near: Places
    far: Places
    scale: float
    count: int


def index(sets: Sets, nodes: int) -> Index:
    """Build the look-up from each node to the sets that contain it.

    Args:
        sets: Random reverse reachable sets.
        nodes: Number of nodes of the graph.
    """

    def places(chosen: npt.NDArray[np.bool_]) -> Places:
        node = sets.node[chosen]
        start = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=nodes))]).astype(np.int64)
        return Places(start, sets.set_of[chosen][np.argsort(node, kind="stable")])

    return Index(places(sets.near), places(~sets.near), sets.drawn_from / max(sets.count, 1), sets.count)


def direct_reach(arcs: Graph, persons: Numbers) -> Floats:
    """Return the expected number of persons whom each node reaches in one step, exactly [nodes].

    It is the sum of the probabilities of the node's arcs to `persons`.

    Args:
        arcs: The graph.
        persons: The nodes whose reaching is wanted: persons who have not joined yet.
    """
    counts = np.zeros(arcs.nodes, bool)
    counts[persons] = True
    head = np.repeat(np.arange(arcs.nodes), np.diff(arcs.start))
    weight = np.where(counts[head], arcs.probability, 0.0)
    return np.asarray(np.bincount(arcs.tail, weights=weight, minlength=arcs.nodes))


def single_reach(sets: Sets, direct: Floats) -> Floats:
    """Return the expected number of persons whom each node alone reaches in any number of steps [nodes].

    The number reached in one step is exact; the sets give an estimate of those reached in several steps only.

    Args:
        sets: Random reverse reachable sets.
        direct: Expected number of persons reached in one step, as `direct_reach` returns it [nodes].
    """
    far = np.bincount(sets.node[~sets.near], minlength=len(direct))
    return np.asarray(direct + far * (sets.drawn_from / max(sets.count, 1)))


def group_reach(sets: Sets, chosen: Numbers, uplift: Floats, nodes: int) -> Floats:
    """Return, for each set, the probability that its person is reached when the chosen users are asked [sets].

    A set's person is the one for whom the set was drawn. The mean over the sets times `Sets.drawn_from` is the expected
    number of new users.

    Args:
        sets: Random reverse reachable sets.
        chosen: Nodes of the users who are asked [k].
        uplift: Probability that each of them invites because of being asked [k].
        nodes: Number of nodes of the graph.
    """
    stays_away = np.zeros(nodes)
    stays_away[chosen] = np.log1p(-np.minimum(uplift, 1 - 1e-12))
    return np.asarray(-np.expm1(np.bincount(sets.set_of, weights=stays_away[sets.node], minlength=sets.count)))
