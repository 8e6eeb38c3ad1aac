"""Clicks on lists of results, corrected for where a product stood: the position-based model.

A product is clicked if its place is looked at and it attracts: P(click) = examined[place] x attractive[pair], a pair
being a query and a product (Richardson, Dominowska and Ragno 2007). The two are told apart only by pairs that were
shown at several places (Joachims, Swaminathan and Schnabel 2017; Agarwal et al. 2019): `examination` learns from these
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_ROUNDS, _SURE = 3000, 1e-8
_LEAST = 1e-12


@dataclass(frozen=True)
class Clicks:
    """How often pairs of a query and a product were shown and clicked, by place; no pair stands twice at a place.

    Attributes:
        pair: Number of the pair, from 0, int64 [n].
        place: Place in the list, from 0, int64 [n].
        shown: How often it was shown there, float64 [n], above 0.
        clicked: How often it was clicked there, float64 [n], at most `shown`.
        pairs, places: How many there are.
    """

    pair: Ints
    place: Ints
    shown: Floats
    clicked: Floats
    pairs: int
    places: int

    def of(self, rows: npt.NDArray[np.bool_]) -> Clicks:
        """Return some of the rows; pairs and places keep their numbers."""
        parts = (self.pair[rows], self.place[rows], self.shown[rows], self.clicked[rows])
        return Clicks(*parts, self.pairs, self.places)

    @property
    def moved(self) -> npt.NDArray[np.bool_]:
        """Whether each row is of a pair that was shown at several places, bool [n]."""
        return np.asarray(np.bincount(self.pair, minlength=self.pairs)[self.pair] > 1)


def examination(clicks: Clicks) -> Floats:
    """Learn how likely each place is looked at, by expectation-maximisation over the pairs shown at several places.

    Only the ratios of places can be known: the place that is looked at most has 1. Places that no chain of such pairs
    links with most of the others have nan.

    Returns:
        float64 [places].
    """
    rows = clicks.of(clicks.moved)
    out = np.full(clicks.places, np.nan)
    linked = _linked(rows)
    rows = rows.of(linked[rows.place])
    if not rows.clicked.sum():
        return out
    examined, attractive = np.full(clicks.places, 0.5), np.full(clicks.pairs, 0.5)
    by_place, by_pair = _sums(rows.place, clicks.places), _sums(rows.pair, clicks.pairs)
    all_place, all_pair = by_place(rows.shown), by_pair(rows.shown)
    missed = rows.shown - rows.clicked
    for _ in range(_ROUNDS):
        at, of = examined[rows.place], attractive[rows.pair]
        none = missed / np.maximum(1 - at * of, _LEAST)  # what is expected of a showing without a click
        after = by_place(rows.clicked + none * at * (1 - of)) / np.maximum(all_place, _LEAST)
        attractive = by_pair(rows.clicked + none * of * (1 - at)) / np.maximum(all_pair, _LEAST)
        done = np.abs(after - examined).max() < _SURE
        examined = after
        if done:
            break
    out[linked] = examined[linked] / examined[linked].max()
    return out


def attraction(clicks: Clicks, examined: Floats, prior: float) -> tuple[Floats, Floats]:
    """Learn how likely each pair is clicked where it is looked at, drawn to the mean of all pairs.

    Args:
        clicks: The clicks; rows of places whose `examined` is nan do not count.
        examined: As `examination` returns it.
        prior: How many looks the mean of all pairs weighs as much as.

    Returns:
        Attraction, float64 [pairs], and how often each pair was looked at, as expected, float64 [pairs].
    """
    rows = clicks.of(~np.isnan(examined)[clicks.place])
    at = examined[rows.place]
    by_pair = _sums(rows.pair, clicks.pairs)
    looks, clicked, shown = by_pair(rows.shown * at), by_pair(rows.clicked), by_pair(rows.shown)
    mean = float(clicked.sum() / max(looks.sum(), _LEAST))
    attractive = np.full(clicks.pairs, mean)
    missed = rows.shown - rows.clicked
    for _ in range(_ROUNDS):
        of = attractive[rows.pair]
        none = missed / np.maximum(1 - at * of, _LEAST)
        after = (clicked + by_pair(none * of * (1 - at)) + prior * mean) / np.maximum(shown + prior, _LEAST)
        done = np.abs(after - attractive).max(initial=0) < _SURE
        attractive = after
        if done:
            break
    return np.where(shown > 0, attractive, mean), looks


def log_likelihood(clicks: Clicks, chance: Floats) -> Floats:
    """Return the log likelihood of each row's clicks.

    Args:
        clicks: The clicks.
        chance: Probability of a click, float64 [n].
    """
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    missed = clicks.shown - clicks.clicked
    return np.asarray(clicks.clicked * np.log(chance) + missed * np.log(1 - chance))


def rates(clicks: Clicks, by: Ints, count: int, prior: float) -> Floats:
    """Return the share of showings that were clicked, by a number of each row, drawn to the share of all; float64."""
    sums = _sums(by, count)
    mean = float(clicks.clicked.sum() / max(clicks.shown.sum(), _LEAST))
    return (sums(clicks.clicked) + prior * mean) / np.maximum(sums(clicks.shown) + prior, _LEAST)


def _sums(numbers: Ints, count: int) -> Callable[[Floats], Floats]:
    """Return what sums values by number, float64 [count]."""
    return lambda values: np.asarray(np.bincount(numbers, values, count), np.float64)


def _linked(rows: Clicks) -> npt.NDArray[np.bool_]:
    """The places of the component with most showings, in the graph of places and pairs, bool [places]."""
    ones, size = np.ones(len(rows.pair)), rows.places + rows.pairs
    graph = coo_array((ones, (rows.place, rows.places + rows.pair)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    of_place = labels[: rows.places]
    shown = np.bincount(of_place[rows.place], rows.shown, labels.max() + 1)
    return np.asarray((of_place == shown.argmax()) & (shown.max() > 0))
