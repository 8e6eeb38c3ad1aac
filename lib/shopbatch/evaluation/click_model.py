"""The position-based click model: corrects clicks on result lists for the place at which a product was shown.

`judge_by_clicks` uses it. A place is a position in the result list, and a pair is a (query, product) combination. A
product is clicked if its place is examined (the shopper looks at it) and the product is attractive for the query:
P(click) = examined[place] x attractive[pair] (Richardson, Dominowska and Ragno 2007). The two factors can be separated
only by pairs that were shown at several places (Joachims, Swaminathan and Schnabel 2017; Agarwal et al. 2019), so
`examination` learns from these pairs alone.
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
    """Impressions and clicks of (query, product) pairs by place (position in the result list).

    There is one row per pair and place; no pair has two rows for the same place.

    Attributes:
        pair: Index of the (query, product) pair, from 0, int64 [n].
        place: Place in the result list, from 0, int64 [n].
        shown: Impressions: how often the pair was shown at the place, float64 [n], above 0.
        clicked: How often it was clicked there, float64 [n], at most `shown`.
        pairs: Number of pairs.
        places: Number of places.
    """

    pair: Ints
    place: Ints
    shown: Floats
    clicked: Floats
    pairs: int
    places: int

    def of(self, rows: npt.NDArray[np.bool_]) -> Clicks:
        """Return the rows for which the mask `rows`, bool [n], is True; pairs and places keep their numbers."""
        parts = (self.pair[rows], self.place[rows], self.shown[rows], self.clicked[rows])
        return Clicks(*parts, self.pairs, self.places)

    @property
    def moved(self) -> npt.NDArray[np.bool_]:
        """Return a mask of the rows whose (query, product) pair was shown at several places, bool [n]."""
        return np.asarray(np.bincount(self.pair, minlength=self.pairs)[self.pair] > 1)


def examination(clicks: Clicks) -> Floats:
    """Estimate how likely shoppers look at each place (position in the result list), relative to the likeliest place.

    The estimate learns from the (query, product) pairs that were shown at several places: if such a pair is clicked
    more often at one place than at another, shoppers look there more often. It is fitted by expectation-maximisation.
    Only the ratios between places can be estimated, so the greatest value is set to 1.

    Args:
        clicks: Impressions and clicks per pair and place.

    Returns:
        The relative probability of each place, float64 [places], 0 to 1. Two places are linked if one pair was shown at
        both. A place without a chain of links to the largest group of linked places has nan; without any click on the
        pairs of this group, all places have nan.
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
        none = missed / np.maximum(1 - at * of, _LEAST)  # unclicked impressions / P(no click)
        after = by_place(rows.clicked + none * at * (1 - of)) / np.maximum(all_place, _LEAST)
        attractive = by_pair(rows.clicked + none * of * (1 - at)) / np.maximum(all_pair, _LEAST)
        done = np.abs(after - examined).max() < _SURE
        examined = after
        if done:
            break
    out[linked] = examined[linked] / examined[linked].max()
    return out


def attraction(clicks: Clicks, examined: Floats, prior: float) -> tuple[Floats, Floats]:
    """Estimate how likely each (query, product) pair is clicked when its place is examined, shrunk towards the mean.

    Args:
        clicks: Impressions and clicks per pair and place; rows whose place has nan in `examined` are ignored.
        examined: Relative probability that a shopper looks at each place, from `examination`, float64 [places].
        prior: Strength of the shrinkage: weight of the mean of all pairs, as a number of examined impressions.

    Returns:
        The probability of a click when examined, float64 [pairs]; and the expected number of each pair's examined
        impressions, float64 [pairs].
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
    """Return the log likelihood of the clicks of each row, float64 [n], given a model's click probabilities.

    Args:
        clicks: The observed impressions and clicks.
        chance: Predicted probability of a click per impression, float64 [n]; it is clipped to [1e-6, 1 - 1e-6].
    """
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    missed = clicks.shown - clicks.clicked
    return np.asarray(clicks.clicked * np.log(chance) + missed * np.log(1 - chance))


def rates(clicks: Clicks, by: Ints, count: int, prior: float) -> Floats:
    """Return the click rate (clicks per impression) of each group of rows, shrunk towards the overall rate.

    Args:
        clicks: The observed impressions and clicks.
        by: Index of each row's group, from 0, int64 [n]; `clicks.place` gives the rate of each place.
        count: Number of groups.
        prior: Weight of the overall rate, in impressions.

    Returns:
        The rates, float64 [count].
    """
    sums = _sums(by, count)
    mean = float(clicks.clicked.sum() / max(clicks.shown.sum(), _LEAST))
    return (sums(clicks.clicked) + prior * mean) / np.maximum(sums(clicks.shown) + prior, _LEAST)


def _sums(numbers: Ints, count: int) -> Callable[[Floats], Floats]:
    """Return a function that sums values [n] by group number and returns float64 [count]."""
    return lambda values: np.asarray(np.bincount(numbers, values, count), np.float64)


def _linked(rows: Clicks) -> npt.NDArray[np.bool_]:
    """Return a mask of the places that belong to the largest group of linked places, bool [places].

    Places and (query, product) pairs form a graph: a place is linked to each pair that was shown there. The largest
    group is the connected component with the most impressions.
    """
    ones, size = np.ones(len(rows.pair)), rows.places + rows.pairs
    graph = coo_array((ones, (rows.place, rows.places + rows.pair)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    of_place = labels[: rows.places]
    shown = np.bincount(of_place[rows.place], rows.shown, labels.max() + 1)
    return np.asarray((of_place == shown.argmax()) & (shown.max() > 0))
