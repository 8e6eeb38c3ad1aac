"""Converts values to timestamps."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from shopbatch.load.conversion import MOMENT, RANGE, Converted, refuse_all
from shopbatch.load.text_values import is_text, to_words
from shopbatch.tables.schema import TIMESTAMP

_ISO_8601 = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:[0-5]\d(?:\.\d{1,9})?)? ?(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999, in microseconds since 1970
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def to_timestamps(raw: pa.Array) -> Converted:
    """Convert ISO 8601 text (a date, or date and time, with or without a zone), Arrow timestamps and Arrow dates.

    A timestamp without a zone is UTC, a date is its midnight, and what is finer than a microsecond is cut off. Numbers
    are refused, because nothing says whether they are seconds.
    """
    if is_text(raw.type):
        words, faults = to_words(raw)
        micros, result = _parse(words), Converted(pa.nulls(len(raw)), faults)
        result.refuse(MOMENT, (words.is_not_null() & micros.is_null()).to_numpy())
    elif pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        micros, result = _from_arrow(raw), Converted(pa.nulls(len(raw)))
    else:
        return refuse_all(raw, TIMESTAMP, MOMENT)
    outside = ((micros < _FIRST) | (micros > _LAST)).fill_null(False)
    result.refuse(RANGE, outside.to_numpy())
    result.values = micros.set(outside, None).to_arrow().cast(TIMESTAMP)
    return result


def _parse(text: pl.Series) -> pl.Series:
    """ISO 8601 as microseconds since 1970 UTC; null where the text is something else."""
    groups = text.str.extract_groups(_ISO_8601).struct.unnest()
    date, clock, seconds, zone = (groups[name] for name in groups.columns)
    written = date + " " + clock.fill_null("00:00") + seconds.fill_null(":00")
    local = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).cast(pl.Int64)
    digits = zone.str.replace("Z|UTC", "+0000").str.replace(":", "").str.pad_end(5, "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int64) * 60 + digits.str.slice(3, 2).cast(pl.Int64)
    sign = digits.str.starts_with("-").cast(pl.Int64) * -2 + 1
    valid = (digits.str.slice(1, 2).cast(pl.Int64) < 24) & (digits.str.slice(3, 2).cast(pl.Int64) < 60)
    local = local.set(~valid.fill_null(True), None)
    return local - (minutes * sign).fill_null(0) * 60_000_000


def _from_arrow(raw: pa.Array) -> pl.Series:
    """Arrow timestamps and dates as microseconds since 1970 UTC; what microseconds cannot hold is out of range."""
    unit = "s"
    if pa.types.is_date(raw.type):
        counts = pl.Series(pl.from_arrow(raw.cast(pa.date32()).cast(pa.int32()))).cast(pl.Int64) * 86_400
    else:
        unit, counts = raw.type.unit, pl.Series(pl.from_arrow(raw.cast(pa.int64())))
    if unit == "ns":
        return counts // 1_000
    factor = 1_000_000 // _PER_SECOND[unit]
    return counts.clip(_FIRST // factor - 1, _LAST // factor + 1) * factor
