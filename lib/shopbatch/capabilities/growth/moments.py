"""Turn the setting `as_of` of the growth jobs into the moment before which events count."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from shopbatch.core.errors import UserError
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot


def moment_before(as_of: date | str, events: Snapshot, shift: int) -> datetime:
    """Return the midnight (UTC) at which the day `as_of` begins; only events before it are used.

    Args:
        as_of: The day, or `latest` for the day of the newest event.
        events: The table `referral_events`.
        shift: Days that are added to `latest`; may be negative. A given day is not shifted.

    Raises:
        UserError: `as_of` is `latest`, and no event has a time.
    """
    if not isinstance(as_of, str):
        return datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    newest: datetime | None = None
    if events.files:
        times = files.scan([f.uri for f in events.files], events.schema).select(pl.col("at").max())
        newest = times.collect().item()
    if newest is None:
        raise UserError("referral_events has no rows with a time; load some: shopbatch load referral_events FILE")
    return newest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=shift)
