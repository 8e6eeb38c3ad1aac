"""Windows of time: which one a review belongs to, and which one comes before which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from shopbatch.capabilities.insights.config_summary import LATEST, Windows

if TYPE_CHECKING:
    from pyspark.sql import Column


@dataclass(frozen=True)
class Calendar:
    """The windows of a run, the oldest first.

    Attributes:
        starts: The first day of each.
        as_of: The day after the last one.
    """

    starts: tuple[date, ...]
    as_of: date

    @property
    def ends(self) -> tuple[date, ...]:
        """The last day of each."""
        return tuple(day - timedelta(days=1) for day in (*self.starts[1:], self.as_of))

    def start_of(self, day: Column) -> Column:
        """The first day of the window that a day (a date) is in; null if it is in none or is null."""
        from pyspark.sql import functions as F

        starts = F.array(*(F.lit(start) for start in self.starts))
        return F.when(day < F.lit(self.as_of), F.array_max(F.filter(starts, lambda start: start <= day)))

    def look_up(self, start: Column, values: Sequence[date | None]) -> Column:
        """The value of the window that begins on a day, of values in the order of the windows; null if none does."""
        from pyspark.sql import functions as F

        pairs = zip(self.starts, values, strict=True)
        known = F.create_map(*(F.lit(x).cast("date") for pair in pairs for x in pair))
        return F.when(start.isNotNull(), F.try_element_at(known, start))

    def find(self, day: date | None) -> date | None:
        """The first day of the window that a day is in; None if it is in none."""
        if day is None or day >= self.as_of:
            return None
        return max((start for start in self.starts if start <= day), default=None)


def calendar(windows: Windows, newest: date | None, today: date) -> Calendar | None:
    """Return the windows; None if no review has a date and none is configured.

    Args:
        windows: The configuration.
        newest: The day of the newest review; None: none has a date.
        today: The day on which nobody can have written tomorrow's reviews yet.
    """
    if windows.as_of != LATEST:
        assert isinstance(windows.as_of, date)
        as_of = windows.as_of
    elif newest is None:
        return None
    else:
        as_of = min(newest, today) + timedelta(days=1)
    if windows.by == "days":
        return Calendar(tuple(as_of - timedelta(days=windows.days * n) for n in range(windows.count, 0, -1)), as_of)
    last = (as_of - timedelta(days=1)).replace(day=1)
    starts = [last]
    while len(starts) < windows.count:
        starts.append((starts[-1] - timedelta(days=1)).replace(day=1))
    return Calendar(tuple(reversed(starts)), as_of)
