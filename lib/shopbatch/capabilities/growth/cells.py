"""Users and children, one row each -> the sums of `factors.Counts`. Parts of the data are counted apart and added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from shopbatch.capabilities.growth.factors import Counts
from shopbatch.capabilities.growth.resamples import weights

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_CHUNK = 1 << 15  # rows whose weights are in memory at once
SHORTEST = 1 / 24  # days; of shorter delays a table of whole hours or days says nothing


@dataclass(frozen=True)
class Grid:
    """Cells of age, each within one cohort: narrow ones for the youngest users, of whom little has been seen.

    Attributes:
        as_of: The moment up to which everything has been seen.
        cohorts: The Mondays on which the cohorts begin, the oldest first.
        edges: Ages in days that divide the cells, ascending [cells + 1]; the last one is the age of the oldest user.
        weeks: The cohort of each cell [cells].
    """

    as_of: datetime
    cohorts: tuple[date, ...]
    edges: Floats
    weeks: Numbers

    @property
    def ages(self) -> Floats:
        """The age of each cell, in days [cells]."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def cell(self, ages: Floats) -> Numbers:
        """Return the cell of each age [n]; -1 for a user who is too old or not yet there.

        A cell holds its upper edge: who joined as a Monday began belongs to that week.
        """
        cells = np.searchsorted(self.edges, ages, side="left") - 1
        return np.where(ages <= self.edges[-1], cells, -1)


def grid(as_of: datetime, weeks: int) -> Grid:
    """Make the cells of the last `weeks` cohorts up to `as_of`; the newest one may not be over yet."""
    newest = (as_of - timedelta(microseconds=1)).date()
    monday = newest - timedelta(days=newest.weekday())
    cohorts = tuple(monday - timedelta(weeks=weeks - 1 - n) for n in range(weeks))
    starts = [(as_of - datetime(c.year, c.month, c.day, tzinfo=as_of.tzinfo)) / timedelta(days=1) for c in cohorts]
    oldest = starts[0]
    fine = np.concatenate([np.arange(0, 14, 0.25), np.arange(14, 90, 1.0), np.arange(90, 7 * weeks + 8, 7.0)])
    edges = np.unique(np.concatenate([fine[fine < oldest], np.array(starts)]).round(9))
    middle = (edges[1:] + edges[:-1]) / 2
    number = np.searchsorted(-np.array(starts), -middle, side="right") - 1
    return Grid(as_of, cohorts, edges, number.astype(np.int64))


@dataclass(frozen=True)
class People:
    """Users of one part of the data, in columns [n].

    Attributes:
        root: 64-bit hash of the root of the user's cascade.
        channel: The channel by which the user came, a number below A.
        age: Days since the join.
    """

    root: npt.NDArray[np.uint64]
    channel: Numbers
    age: Floats


@dataclass(frozen=True)
class Children:
    """Users who were brought by others, in columns [n].

    Attributes:
        root: 64-bit hash of the root of the cascade.
        parent_channel: The channel by which the parent came.
        parent_age: Days since the parent's join.
        channel: The channel of the invitation, a number below B.
        delay: Days between the parent's join and the child's.
    """

    root: npt.NDArray[np.uint64]
    parent_channel: Numbers
    parent_age: Floats
    channel: Numbers
    delay: Floats


def nothing(cells: Grid, channels: int, invited: int, resamples: int) -> Counts:
    """Return the counts of no data."""
    versions, weeks = 1 + resamples, len(cells.cohorts)
    return Counts(
        cells.ages,
        cells.weeks,
        np.zeros((versions, channels, len(cells.ages))),
        np.zeros((versions, channels, weeks, invited)),
        np.zeros((versions, invited)),
        np.zeros((versions, invited)),
    )


def add_people(counts: Counts, cells: Grid, people: People) -> None:
    """Count users."""
    versions = len(counts.users)
    place = cells.cell(people.age)
    known = place >= 0
    key = people.channel[known] * len(cells.ages) + place[known]
    total = counts.users.reshape(versions, -1)
    _sum(total, key, people.root[known])


def add_children(counts: Counts, cells: Grid, children: Children) -> None:
    """Count children of the users of the cells."""
    versions, _, weeks, invited = counts.shape
    place = cells.cell(children.parent_age)
    known = place >= 0
    week = cells.weeks[place[known]]
    root, channel = children.root[known], children.channel[known]
    delay = np.maximum(children.delay[known], SHORTEST)
    key = (children.parent_channel[known] * weeks + week) * invited + channel
    _sum(counts.children.reshape(versions, -1), key, root)
    _sum(counts.days, channel, root, delay)
    _sum(counts.logs, channel, root, np.log(delay))


def _sum(total: Floats, key: Numbers, root: npt.NDArray[np.uint64], values: Floats | None = None) -> None:
    """Add values, or 1, to the columns `key` of total [1 + R, keys], as often as each resample has the cascade."""
    versions, keys = total.shape
    for first in range(0, len(key), _CHUNK):
        part = slice(first, first + _CHUNK)
        rows = len(key[part])
        data = np.ones(rows) if values is None else values[part]
        one_hot = csr_matrix((data, (key[part], np.arange(rows))), shape=(keys, rows))
        total += (one_hot @ weights(root[part], versions - 1)).T
