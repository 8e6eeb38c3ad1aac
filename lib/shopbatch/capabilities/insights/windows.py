"""Time windows of `summarise_reviews`: assigns reviews to windows and finds the window before each."""

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
    """The time windows of a run, without gaps, the oldest first.

    Attributes:
        starts: The first day of each window.
        as_of: The day after the last window ends; reviews of this day and later are in no window.
    """

    starts: tuple[date, ...]
    as_of: date

    @property
    def ends(self) -> tuple[date, ...]:
        """Return the last day (inclusive) of each window."""
        return tuple(day - timedelta(days=1) for day in (*self.starts[1:], self.as_of))

    def start_of(self, day: Column) -> Column:
        """Return a Spark column with the first day of the window that contains the date `day`.

        It is null where no window contains the day, and where `day` is null.
        """
        from pyspark.sql import functions as F

        starts = F.array(*(F.lit(start) for start in self.starts))
        return F.when(day < F.lit(self.as_of), F.array_max(F.filter(starts, lambda start: start <= day)))

    def look_up(self, start: Column, values: Sequence[date | None]) -> Column:
        """Return a Spark column that maps each window's first day to the date that belongs to this window in `values`.

        Args:
            start: Column with the first day of a window.
            values: One date (or None) per window, in the order of the windows, such as the windows' last days.

        Returns:
            The date; null where `start` is null or not the first day of a window.
        """
        from pyspark.sql import functions as F

        pairs = zip(self.starts, values, strict=True)
        known = F.create_map(*(F.lit(x).cast("date") for pair in pairs for x in pair))
        return F.when(start.isNotNull(), F.try_element_at(known, start))

    def find(self, day: date | None) -> date | None:
        """Return the first day of the window that contains `day`; None if no window does or `day` is None."""
        if day is None or day >= self.as_of:
            return None
        return max((start for start in self.starts if start <= day), default=None)


def calendar(windows: Windows, newest: date | None, today: date) -> Calendar | None:
    """Build the time windows of a run of `summarise_reviews`.

    Args:
        windows: Settings of the windows.
        newest: The day of the newest review; None if no review has a date.
        today: The current day (UTC). Reviews dated later do not move the windows, since their dates are wrong.

    Returns:
        The windows; None if the setting `windows.as_of` is `latest` and no review has a date.
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
