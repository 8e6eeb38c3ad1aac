"""Converts values to timestamps: dates and times as shops write them, epoch numbers, and day numbers of spreadsheets.

Each value is read by its own shape. Only the order of day and month cannot be seen in `3/4/2024`: it is decided per
column from all of its values (see `column_formats.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from shopbatch.load.conversion import AMBIGUOUS, MOMENT, RANGE, Converted, refuse_all
from shopbatch.load.text_values import is_text, to_words
from shopbatch.load.words import month_numbers
from shopbatch.tables.schema import TIMESTAMP

Numbers = npt.NDArray[np.int64]
DAY_FIRST, MONTH_FIRST = "dmy", "mdy"
NUMERIC_FORMATS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "excel")
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999, in microseconds since 1970
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY = 86_400_000_000
_NULL = -(2**63)

_ZONE = r"(Z|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?|[A-Z]{2,5}|[A-Z][A-Za-z_]+/[A-Za-z_/]+)"
_TIME = (
    r"(?:[T ,]+(?:at |um |à )?(上午|下午|午前|午後|오전|오후)? ?(\d{1,2})[:h时時点시.] ?(\d{2})(?:[:.分분] ?(\d{2}))?"
    r"(?:[.,](\d{1,9}))?[秒分초분]?"
    r" ?([AaPp]\.?[Mm]\.?)? ?" + _ZONE + r"?(?: ?\([^)]*\))?)?$"
)
_WEEKDAY = r"^(?:\p{L}{2,12}\.?,? )?"
# the shapes in which dates are written
_YEAR_FIRST = r"^(\d{4})(?:[-/.年]|년 ?)(\d{1,2})(?:[-/.月]|월 ?)(\d{1,2})(?:日|일)?" + _TIME
_ISO, _ISO_PARTS = r"^(?:19|20)\d{2}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}Z?$", "%Y-%m-%d %H:%M:%S"
_COMPACT = r"^((?:19|20)\d{2})(0[1-9]|1[0-2])([0-3]\d)(?:[T ]?([0-2]\d)([0-5]\d)([0-5]\d)?)?Z?$"
NUMERIC = r"^(\d{1,2})([-/. ])(\d{1,2})(,? |[-/.])(\d{4}|\d{2})" + _TIME
_DAY_MONTH = (
    _WEEKDAY + r"(\d{1,2})(?:st|nd|rd|th|er|\.)?[- /](?:de )?(\p{L}{3,10})\.?,?[- /](?:de )?(\d{4}|\d{2})" + _TIME
)
_MONTH_DAY = _WEEKDAY + r"(\p{L}{3,10})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})" + _TIME
_CTIME = _WEEKDAY + r"([A-Za-z]{3,9}) +(\d{1,2}) (\d{1,2}):(\d{2}):(\d{2}) (?:" + _ZONE + r" )?(\d{4})$"
_OFFSETS = {"Z": 0, "UTC": 0, "GMT": 0, "EST": -300, "EDT": -240, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
            "CDT": -300,
            "CET": 60, "CEST": 120, "EET": 120, "EEST": 180, "JST": 540, "KST": 540, "MSK": 180}  # fmt: skip


def to_timestamps(raw: pa.Array, orders: Mapping[str, str | None] | None = None, pattern: str = "") -> Converted:
    """Convert text, numbers, Arrow timestamps and Arrow dates to timestamps in UTC, with microseconds.

    A timestamp without a zone is taken for UTC, a date for its midnight, and digits finer than a microsecond are cut
    off. A number is read by its size: days of a spreadsheet (20,000 to 80,000), or seconds, milliseconds, microseconds
    or nanoseconds since 1970, or a date such as 20240310.

    Args:
        raw: The values, [n].
        orders: Separator of a numeric date ("/", "-", ".", " ") -> the order of day and month (`dmy`, `mdy`; None: not
            known).
        pattern: How all values are written, if the user stated it: one of `NUMERIC_FORMATS`, or a strptime pattern; ""
            if not.
    """
    if is_text(raw.type):
        words, faults = to_words(raw, "moments")
        result = Converted(pa.nulls(len(raw)), faults)
        micros, ambiguous = _from_text(words, orders or {}, pattern)
        result.refuse(AMBIGUOUS, ambiguous)
        result.refuse(MOMENT, (words.is_not_null() & micros.is_null()).to_numpy())
    elif pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        micros, result = _from_arrow(raw), Converted(pa.nulls(len(raw)))
    elif pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type) or pa.types.is_decimal(raw.type):
        numbers = pl.Series(pl.from_arrow(raw.cast(pa.float64(), safe=False)))
        whole = (
            pl.Series(pl.from_arrow(raw)).cast(pl.Int64, strict=False) if not pa.types.is_decimal(raw.type) else None
        )
        micros, result = _from_numbers(numbers.fill_nan(None), whole, pattern), Converted(pa.nulls(len(raw)))
        result.refuse(MOMENT, (numbers.fill_nan(None).is_not_null() & micros.is_null()).to_numpy())
    else:
        return refuse_all(raw, TIMESTAMP, MOMENT)
    outside = ((micros < _FIRST) | (micros > _LAST)).fill_null(False)
    result.refuse(RANGE, outside.to_numpy())
    result.values = micros.set(outside, None).to_arrow().cast(TIMESTAMP)
    return result


def _from_text(
    words: pl.Series, orders: Mapping[str, str | None], pattern: str
) -> tuple[pl.Series, npt.NDArray[np.bool_]]:
    """Parse text as timestamps.

    Args:
        words: Trimmed values, string [n].
        orders: See `to_timestamps`.
        pattern: See `to_timestamps`.

    Returns:
        Microseconds since 1970 UTC, int64 [n], null where the text is no timestamp; and a mask of the dates whose order
        of day and month is ambiguous, boolean [n].
    """
    none = np.zeros(len(words), bool)
    if pattern in NUMERIC_FORMATS:
        return _from_numbers(words.cast(pl.Float64, strict=False), words.cast(pl.Int64, strict=False), pattern), none
    if pattern:
        return words.str.to_datetime(pattern, time_unit="us", strict=False).cast(pl.Int64), none
    if words.str.contains(_ISO).fill_null(True).all():  # most columns, and much faster
        moments = words.str.slice(0, 19).str.replace("T", " ", literal=True).str.to_datetime(_ISO_PARTS, strict=False)
        if moments.null_count() == words.null_count():
            return moments.cast(pl.Datetime("us")).cast(pl.Int64), none
    result = np.full(len(words), _NULL)
    words = words.str.replace("(日|일)", "$1 ").str.strip_chars().str.replace_all(r"\s+", " ")
    for shape in (_YEAR_FIRST, _COMPACT, NUMERIC, _DAY_MONTH, _MONTH_DAY, _CTIME):
        todo = np.flatnonzero((result == _NULL) & words.is_not_null().to_numpy())
        if not len(todo):
            break
        part = words.gather(todo)
        fits = part.str.contains(shape).to_numpy()
        if fits.any():
            result[todo[fits]] = _READERS[shape](part.filter(pl.Series(fits)), orders)
    numeric = (result == _NULL) & words.str.contains(r"^\d{5,19}(?:\.\d+)?$").fill_null(False).to_numpy()
    if numeric.any():
        part = words.filter(pl.Series(numeric))
        whole = part.cast(pl.Int64, strict=False)
        result[numeric] = _from_numbers(part.cast(pl.Float64, strict=False), whole, "").fill_null(_NULL).to_numpy()
    ambiguous = result == _AMBIGUOUS
    return pl.Series(result).set(pl.Series((result == _NULL) | ambiguous), None), ambiguous


_AMBIGUOUS = _NULL + 1


def _groups(part: pl.Series, shape: str) -> list[pl.Series]:
    """Return the groups of a regular expression in each text, as one series per group."""
    fields = part.str.extract_groups(shape).struct.unnest()
    return [fields[name] for name in fields.columns]


def _integers(text: pl.Series) -> Numbers:
    """Return texts as integers; 0 for null and for other text."""
    return np.asarray(text.cast(pl.Int64, strict=False).fill_null(0).to_numpy(), np.int64)


def _read_year_first(part: pl.Series, _: Mapping[str, str | None]) -> Numbers:
    """Parse dates such as `2024-03-10 14:05` into microseconds since 1970 UTC, int64 [n]; `_NULL` if invalid."""
    year, month, day, *time = _groups(part, _YEAR_FIRST)
    return _moments(_integers(year), _integers(month), _integers(day), *time)


def _read_compact(part: pl.Series, _: Mapping[str, str | None]) -> Numbers:
    """Parse dates such as `20240310140533` into microseconds since 1970 UTC, int64 [n]; `_NULL` if invalid.

    The time of day may be missing (`20240310`).
    """
    year, month, day, hour, minute, second = _groups(part, _COMPACT)
    nothing = pl.Series([None] * len(part), dtype=pl.String)
    time = (nothing, hour, minute, second, nothing, nothing, nothing)
    return _moments(_integers(year), _integers(month), _integers(day), *time)


def _read_numeric(part: pl.Series, orders: Mapping[str, str | None]) -> Numbers:
    """Parse dates such as `3/4/2024` into microseconds since 1970 UTC, int64 [n]; `_NULL` if invalid.

    The result is `_AMBIGUOUS` where the order of day and month is unknown and makes a difference.

    Args:
        part: The dates, string [n].
        orders: Separator of the date -> the order of day and month (`dmy`, `mdy`; None: not known).
    """
    first, mark, second, gap, year, *time = _groups(part, NUMERIC)
    one, two = _integers(first), _integers(second)
    order = np.array([orders.get(m) or "" for m in mark.to_list()], dtype="U3")
    # `09 13, 2009` is American, so month first
    order[gap.str.starts_with(",").to_numpy()] = MONTH_FIRST
    order[(order == "") & (one > 12)] = DAY_FIRST
    order[(order == "") & (two > 12)] = MONTH_FIRST
    month_first = order == MONTH_FIRST
    month, day = np.where(month_first, one, two), np.where(month_first, two, one)
    moments = _moments(_years(year), month, day, *time)
    return np.where((order == "") & (one != two) & (moments != _NULL), _AMBIGUOUS, moments)


def _read_day_month(part: pl.Series, _: Mapping[str, str | None]) -> Numbers:
    """Parse dates such as `10 March 2024` into microseconds since 1970 UTC, int64 [n]; `_NULL` if invalid."""
    day, month, year, *time = _groups(part, _DAY_MONTH)
    return _moments(_years(year), _month(month), _integers(day), *time)


def _read_month_day(part: pl.Series, _: Mapping[str, str | None]) -> Numbers:
    """Parse dates such as `March 10, 2024` into microseconds since 1970 UTC, int64 [n]; `_NULL` if invalid."""
    month, day, year, *time = _groups(part, _MONTH_DAY)
    return _moments(_years(year), _month(month), _integers(day), *time)


def _read_ctime(part: pl.Series, _: Mapping[str, str | None]) -> Numbers:
    """Parse dates such as `Sun Mar 10 14:05:33 CET 2024` into microseconds since 1970 UTC, int64 [n].

    `_NULL` stands for an invalid date.
    """
    month, day, hour, minute, second, zone, year = _groups(part, _CTIME)
    nothing = pl.Series([None] * len(part), dtype=pl.String)
    return _moments(_years(year), _month(month), _integers(day), nothing, hour, minute, second, nothing, nothing, zone)


_READERS = {
    _YEAR_FIRST: _read_year_first,
    _COMPACT: _read_compact,
    NUMERIC: _read_numeric,
    _DAY_MONTH: _read_day_month,
    _MONTH_DAY: _read_month_day,
    _CTIME: _read_ctime,
}


def _years(text: pl.Series) -> Numbers:
    """Return years as numbers; of two digits, 69 to 99 are 1969 to 1999 and 00 to 68 are 2000 to 2068 (POSIX)."""
    years = _integers(text)
    short = text.str.len_chars().to_numpy() == 2
    return np.where(short, years + np.where(years >= 69, 1900, 2000), years)


def _month(names: pl.Series) -> Numbers:
    """Return the month, 1 to 12, for month names and their usual abbreviations (words.yaml); 0 for other words."""
    known = month_numbers()
    return np.array([known.get(name.casefold(), 0) for name in names.to_list()], np.int64)


def _moments(year: Numbers, month: Numbers, day: Numbers, *time: pl.Series) -> Numbers:
    """Combine dates and times into microseconds since 1970 UTC, int64 [n]; `_NULL` if a date, time or zone is invalid.

    Args:
        year: The years, int64 [n].
        month: The months, int64 [n]; 0 is invalid.
        day: The days of the month, int64 [n].
        time: Seven columns of text [n]: Chinese, Japanese or Korean word for AM or PM; hour; minute; second; fraction
            of a second; AM or PM; time zone.
    """
    chinese, hour, minute, second, fraction, half, zone = time
    h, m, s = _integers(hour), _integers(minute), _integers(second)
    afternoon = (
        chinese.is_in(["下午", "午後", "오후"]).fill_null(False)
        | half.str.to_lowercase().str.starts_with("p").fill_null(False)
    ).to_numpy()
    twelve = (chinese.is_not_null() | half.is_not_null()).to_numpy()
    bad = (month < 1) | (month > 12) | (day < 1) | (year < 1) | (m > 59) | (s > 60) | (twelve & ((h > 12) | (h < 1)))
    h = np.where(twelve, h % 12 + 12 * afternoon, h)
    bad |= (h > 24) | ((h == 24) & ((m > 0) | (s > 0)))
    month, day = np.clip(month, 1, 12), np.clip(day, 1, 31)
    starts = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = starts.astype("datetime64[D]").astype(np.int64) + day - 1
    bad |= days >= (starts + 1).astype("datetime64[D]").astype(np.int64)
    micros = _integers(fraction.str.slice(0, 6).str.pad_end(6, "0"))
    moment = ((days * 24 + h) * 60 + m) * 60 + s
    offset, unknown = _offsets(zone, moment)
    return np.where(bad | unknown, _NULL, (moment - offset) * 1_000_000 + micros)


def _offsets(zone: pl.Series, local: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the offset of each time zone from UTC in seconds (east is positive), and a mask of the unknown zones.

    Args:
        zone: Time zones as text, [n]; null is UTC.
        local: Local times, in seconds since 1970, because the offset of a zone depends on the date; int64 [n].
    """
    seconds, unknown = np.zeros(len(zone), np.int64), np.zeros(len(zone), bool)
    for name in zone.drop_nulls().unique().to_list():
        rows = (zone == name).fill_null(False).to_numpy()
        fixed = _fixed_offset(name)
        if fixed is not None:
            seconds[rows] = fixed
        elif _is_zone(name):
            clock = pl.Series(local[rows] * 1_000_000).cast(pl.Datetime("us"))
            utc = clock.dt.replace_time_zone(name, ambiguous="earliest", non_existent="null").dt.epoch("s")
            unknown[rows] = utc.is_null().to_numpy()
            seconds[rows] = local[rows] - utc.fill_null(0).to_numpy()
        else:
            unknown[rows] = True
    return seconds, unknown


def _fixed_offset(zone: str) -> int | None:
    """Return the offset from UTC in seconds of `+01:00`, `+0100`, `GMT+1` or `CET`; None for any other text."""
    if zone in _OFFSETS:
        return _OFFSETS[zone] * 60
    digits = zone.removeprefix("UTC").removeprefix("GMT")
    if digits[:1] not in ("+", "-"):
        return None
    hours, _, minutes = digits[1:].partition(":")
    if len(hours) > 2:
        hours, minutes = hours[:-2], hours[-2:]
    if int(hours) > 23 or int(minutes or 0) > 59:
        return None
    return (int(hours) * 60 + int(minutes or 0)) * (-60 if digits[0] == "-" else 60)


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    """Return True if a name such as `Europe/Berlin` is in the time zone database."""
    if "/" not in name:
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _from_numbers(numbers: pl.Series, whole: pl.Series | None, pattern: str) -> pl.Series:
    """Convert numbers to microseconds since 1970, by their size or by the stated format; null where no format fits.

    Args:
        numbers: The numbers as floats, [n].
        whole: The same numbers as integers where they are whole, since a float cannot hold nanoseconds, [n]; None if
            there are none.
        pattern: One of `NUMERIC_FORMATS`, if the user stated it; "" if not.
    """
    size = numbers.to_numpy().astype(np.float64)
    exact = np.full(len(size), _NULL) if whole is None else whole.fill_null(_NULL).to_numpy()
    result = np.full(len(size), _NULL)
    ranges = {
        "excel": (20_000, 80_000),
        "epoch_s": (1e8, 1e10),
        "epoch_ms": (1e11, 1e13),
        "epoch_us": (1e14, 1e16),
        "epoch_ns": (1e17, 9e18),
    }
    for name, (low, high) in ranges.items():
        fits = np.isfinite(size) & ((size >= low) & (size < high) if not pattern else np.abs(size) < 9e18)
        if not pattern:
            calendar = _compact_numbers(exact)
            fits &= calendar == _NULL
            result = np.where((calendar != _NULL) & (result == _NULL), calendar, result)
        elif name != pattern:
            continue
        result[fits] = _scaled(name, size[fits], exact[fits])
    return pl.Series(result).set(pl.Series(result == _NULL), None)


def _scaled(name: str, size: npt.NDArray[np.float64], exact: Numbers) -> Numbers:
    """Convert numbers of one format to microseconds since 1970.

    Args:
        name: One of `NUMERIC_FORMATS`.
        size: The numbers as floats, [n].
        exact: The numbers as integers, int64 [n]; `_NULL` where they are not whole.
    """
    if name == "excel":  # days since 1899-12-30, rounded to seconds, as a float's day fraction is no finer
        return np.asarray(np.rint((size - 25_569) * 86_400).astype(np.int64) * 1_000_000)
    per_second = _PER_SECOND[name.removeprefix("epoch_")]
    as_float = np.rint(np.clip(size / per_second * 1e6, -9e18, 9e18)).astype(np.int64)
    if per_second > 1_000_000:
        return np.where(exact == _NULL, as_float, exact // (per_second // 1_000_000))
    factor = 1_000_000 // per_second
    fits = (exact != _NULL) & (np.abs(exact) < 2**62 // factor)
    return np.where(fits, np.where(fits, exact, 0) * factor, as_float)


def _compact_numbers(exact: Numbers) -> Numbers:
    """Convert numbers such as 20240310 or 20240310140533 to microseconds since 1970; `_NULL` for other numbers."""
    result = np.full(len(exact), _NULL)
    for low, digits in ((19_000_101, 8), (190_001_010_000, 12), (19_000_101_000_000, 14)):
        fits = (exact >= low) & (exact < 10**digits * 21 // 100)
        if fits.any():
            result[fits] = _read_compact(pl.Series(exact[fits]).cast(pl.String), {}) if fits.any() else _NULL
    return result


def _from_arrow(raw: pa.Array) -> pl.Series:
    """Convert Arrow timestamps and dates to microseconds since 1970 UTC.

    Values that do not fit into microseconds are set just outside the years 1 to 9999, so that the caller refuses them.
    """
    unit = "s"
    if pa.types.is_date(raw.type):
        counts = pl.Series(pl.from_arrow(raw.cast(pa.date32()).cast(pa.int32()))).cast(pl.Int64) * 86_400
    else:
        unit, counts = raw.type.unit, pl.Series(pl.from_arrow(raw.cast(pa.int64())))
    if unit == "ns":
        return counts // 1_000
    factor = 1_000_000 // _PER_SECOND[unit]
    return counts.clip(_FIRST // factor - 1, _LAST // factor + 1) * factor
