"""Sum users and their referrals into the counts from which `factors.estimate` computes growth.

Users are grouped by age (days since the join) into cells, each within one weekly cohort. `facts.count` fills such
counts for parts of the data in Spark tasks, and adds them up. A child is a user who joined by another user's
invitation; that user is the parent.
"""

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

_CHUNK = 1 << 15  # rows that are weighted at once, to bound memory
SHORTEST = 1 / 24  # days: shorter delays are raised to this, since tables may hold whole hours only


@dataclass(frozen=True)
class Grid:
    """The division of users by age (days since the join) into cells, each of which lies within one weekly cohort.

    Cells are narrow (a quarter of a day) for the youngest users, most of whose invitees have not joined yet, and wider
    for older users.

    Attributes:
        as_of: The moment up to which events are known.
        cohorts: The Mondays on which the cohorts begin, the oldest first.
        edges: Ages in days that divide the cells, ascending [cells + 1]; the last one is the age of the oldest cohort.
        weeks: For each cell, the position of its cohort in `cohorts` [cells].
    """

    as_of: datetime
    cohorts: tuple[date, ...]
    edges: Floats
    weeks: Numbers

    @property
    def ages(self) -> Floats:
        """Return the age in the middle of each cell, in days [cells]."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def cell(self, ages: Floats) -> Numbers:
        """Return the cell of each age [n]; -1 for users who are older than the oldest cohort or joined after `as_of`.

        The upper edge belongs to a cell, so a user who joined at the very beginning of a Monday is in that week.

        Args:
            ages: Days since the join [n].
        """
        cells = np.searchsorted(self.edges, ages, side="left") - 1
        return np.where(ages <= self.edges[-1], cells, -1)


def grid(as_of: datetime, weeks: int) -> Grid:
    """Divide the users of the last `weeks` weekly cohorts into cells by age.

    Args:
        as_of: The moment up to which events are known.
        weeks: Number of cohorts; the newest one is the week of `as_of`, which may not be over yet.
    """
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
    """The users of one part of the data, in columns of length n.

    Attributes:
        root: 64-bit hash of the root of the user's cascade (the first user in the chain of invitations).
        channel: Number of the channel by which the user came, from 0.
        age: Days since the join.
    """

    root: npt.NDArray[np.uint64]
    channel: Numbers
    age: Floats


@dataclass(frozen=True)
class Children:
    """The users of one part of the data who joined by another user's invitation, in columns of length n.

    Attributes:
        root: 64-bit hash of the root of the cascade (the first user in the chain of invitations).
        parent_channel: Index of the channel by which the inviter came, from 0.
        parent_age: Days since the inviter's join.
        channel: Index of the channel of the invitation, from 0.
        delay: Days between the inviter's join and the child's.
    """

    root: npt.NDArray[np.uint64]
    parent_channel: Numbers
    parent_age: Floats
    channel: Numbers
    delay: Floats


def nothing(cells: Grid, channels: int, invited: int, resamples: int) -> Counts:
    """Return counts that are all 0, to which `add_people` and `add_children` add.

    Args:
        cells: The cells of age.
        channels: Number of channels.
        invited: Number of channels of invitation.
        resamples: Number of bootstrap resamples.
    """
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
    """Add users to the numbers of users by cell, in place; users outside the cells are ignored.

    Args:
        counts: Numbers of users and children by cell; the users of `people` are added.
        cells: The division of users by age.
        people: The users, with age and channel.
    """
    versions = len(counts.users)
    place = cells.cell(people.age)
    known = place >= 0
    key = people.channel[known] * len(cells.ages) + place[known]
    total = counts.users.reshape(versions, -1)
    _sum(total, key, people.root[known])


def add_children(counts: Counts, cells: Grid, children: Children) -> None:
    """Add children (users who joined by another user's invitation) to their parents' cells, in place.

    Their delays are added, too; delays below an hour are taken as an hour. Children whose parent is outside the cells
    are ignored.

    Args:
        counts: Numbers of users and children by cell; the children are added.
        cells: The division of users by age.
        children: The children, with the age and channel of the parent (the inviting user).
    """
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
    """Add one number per row to `total`, in the data as they are and in each bootstrap resample.

    In the first row of `total` (the data as they are) each number has weight 1. In the row of a resample its weight is
    how often the resample contains the cascade of the number.

    Args:
        total: The sums so far, changed in place [1 + R, keys].
        key: The column of `total` to which each number is added [n].
        root: 64-bit hash of the root of each number's cascade [n].
        values: The numbers [n]; None: 1 each.
    """
    versions, keys = total.shape
    for first in range(0, len(key), _CHUNK):
        part = slice(first, first + _CHUNK)
        rows = len(key[part])
        data = np.ones(rows) if values is None else values[part]
        one_hot = csr_matrix((data, (key[part], np.arange(rows))), shape=(keys, rows))
        total += (one_hot @ weights(root[part], versions - 1)).T
