"""Values of a file as values of a column: converted where they mean one, else refused one by one with a reason.

Pure functions of Arrow arrays. A value's fate never depends on its neighbours: each rule is one vectorised expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.tables.schema import MONEY, TIMESTAMP, Column
from shopbatch.warehouse import files

Mask = npt.NDArray[np.bool_]

NULL_WORDS = ("", "null", "none", "nan", "na", "n/a", "nat", r"\n")  # of numbers and moments, in small letters
_MOMENT = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:[0-5]\d(?:\.\d{1,9})?)? ?(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999, microseconds since 1970
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
NO_KEY, NO_VALUE, NESTED, UTF8 = "no_key", "no_value", "nested", "invalid_utf8"
NUMBER, WHOLE, RANGE, CENTS = "not_a_number", "not_whole", "out_of_range", "not_cents"
MOMENT, CHOICE = "not_a_timestamp", "not_allowed"


@dataclass
class Converted:
    """values: [n], of the column's type, null where refused. faults: reason -> which rows (boolean [n])."""

    values: pa.Array
    faults: dict[str, Mask] = field(default_factory=dict)

    def refuse(self, reason: str, rows: Mask) -> None:
        """Null the values of `rows`, for this reason, but for those refused already."""
        for earlier in self.faults.values():
            rows = rows & ~earlier
        if rows.any():
            self.faults[reason] = self.faults.get(reason, np.zeros(len(rows), bool)) | rows
            self.values = pc.if_else(pa.array(rows), pa.scalar(None, self.values.type), self.values)


def convert(column: Column, raw: pa.Array | Sequence[Any], key: bool) -> Converted:
    """The values of one column, from Arrow or from JSON's Python values; no null or blank where there may be none."""
    done = _from_arrow(column, raw) if isinstance(raw, pa.Array) else _from_json(column, raw)
    if column.between is not None:
        low, high = column.between
        outside = pc.or_(pc.less(done.values, low), pc.greater(done.values, high))
        done.refuse(RANGE, _mask(outside))
    if column.one_of:
        done.refuse(
            CHOICE, _mask(pc.and_(done.values.is_valid(), pc.invert(pc.is_in(done.values, pa.array(column.one_of)))))
        )
    if key:
        done.refuse(NO_KEY, _mask(_nothing(done.values)))
    elif not column.nullable:
        done.refuse(NO_VALUE, _mask(_nothing(done.values)))
    return done


def _nothing(values: pa.Array) -> pa.Array:
    """Null, or blank text."""
    if not pa.types.is_string(values.type):
        return values.is_null()
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True)


def _from_arrow(column: Column, raw: pa.Array) -> Converted:
    if isinstance(raw, pa.ExtensionArray):
        raw = raw.storage
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pa.types.is_null(raw.type):
        return Converted(pa.nulls(len(raw), column.type))
    if pa.types.is_nested(raw.type):
        return _all_refused(column, raw, NESTED)
    if column.type == pa.string():
        return _text(raw)
    if column.type == TIMESTAMP:
        return _moments(raw)
    if column.type == MONEY:
        return _money(raw)
    if pa.types.is_integer(column.type):
        return _integers(raw, column.type)
    raise TypeError(f"column {column.name!r}: values of type {column.type} cannot be loaded")


def _from_json(column: Column, raw: Sequence[Any]) -> Converted:
    """Python values: as one Arrow array if they are of one kind, else kind by kind (Arrow would make true 1.0)."""
    if len({type(value) for value in raw} - {type(None)}) <= 1:
        try:
            return _from_arrow(column, pa.array(raw))
        except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError):
            pass  # a lone surrogate, an integer of more than 64 bits, lists of several kinds
    whole = Converted(pa.nulls(len(raw), column.type))
    parts: list[pa.Array] = []
    places: list[int] = []
    plain = [_plain(value) for value in raw]
    for kind in (bytes, bool, int, float):
        mine = [i for i, value in enumerate(plain) if type(value) is kind]
        part = _from_arrow(column, pa.array([plain[i] for i in mine]))
        _spread(part, mine, whole)
        parts.append(part.values)
        places += mine
    whole.refuse(NESTED, np.array([isinstance(v, list | dict) for v in raw]))
    if places:
        order = np.full(len(raw), -1)
        order[places] = np.arange(len(places))
        whole.values = pc.take(pa.concat_arrays(parts), pa.array(order, mask=order < 0))
    return whole


def _spread(part: Converted, places: Sequence[int], whole: Converted) -> None:
    """Add the faults of some rows to those of all rows."""
    for reason, rows in part.faults.items():
        everywhere = whole.faults.setdefault(reason, np.zeros(len(whole.values), bool))
        everywhere[np.array(places)[rows]] = True


def _plain(value: Any) -> Any:
    """A JSON value as Arrow takes it: text as bytes (a lone surrogate is no UTF-8 then), huge integers as digits."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if type(value) is int and not -(2**63) <= value < 2**63:
        return str(value).encode()
    return value


def _mask(values: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), bool)


def _all_refused(column: Column, raw: pa.Array, reason: str) -> Converted:
    done = Converted(pa.nulls(len(raw), column.type))
    done.refuse(reason, _mask(raw.is_valid()))
    return done


def _text(raw: pa.Array) -> Converted:
    """Strings as they are; numbers, moments and truth values as they are written. Invalid UTF-8 is refused."""
    kind = raw.type
    if pa.types.is_fixed_size_binary(kind):
        raw = raw.cast(pa.binary())
    if pa.types.is_floating(kind):
        return _text_of_floats(raw)
    if not (_is_string(kind) or _is_binary(raw.type)):
        return Converted(raw.cast(pa.string()))
    try:
        text = raw.cast(pa.string())  # from binary, this checks
        bad = files.invalid_utf8(pa.chunked_array([text])) if _is_string(kind) else None
    except pa.ArrowInvalid:
        text = raw.cast(pa.large_binary()).cast(pa.large_string(), safe=False)
        bad = files.invalid_utf8(pa.chunked_array([text]))
    if bad is None:
        return Converted(text)
    done = Converted(pc.if_else(bad, pa.scalar("", text.type), text).cast(pa.string()))
    done.refuse(UTF8, _mask(bad))
    return done


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _text_of_floats(raw: pa.Array) -> Converted:
    """Floats as text: whole numbers without a point (ids become floats where a column has gaps), NaN as null."""
    numbers = pl.Series(pl.from_arrow(raw)).cast(pl.Float64).fill_nan(None)
    frame = pl.DataFrame({"x": numbers}).select(
        pl.when((pl.col("x") == pl.col("x").round(0)) & (pl.col("x").abs() < 2**53))
        .then(pl.col("x").cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(pl.col("x").cast(pl.String))
    )
    return Converted(frame["x"].to_arrow().cast(pa.string()))


def _numbers(raw: pa.Array) -> tuple[pl.Series, Converted]:
    """Values that may be numbers (strings trimmed, words for null as null), and where faults are collected."""
    if _is_string(raw.type) or _is_binary(raw.type):
        text = _text(raw)
        series = pl.Series(pl.from_arrow(text.values)).str.strip_chars()
        series = series.set(series.str.to_lowercase().is_in(NULL_WORDS), None)
        return series, Converted(pa.nulls(len(raw)), text.faults)
    if pa.types.is_integer(raw.type):
        return pl.Series(pl.from_arrow(raw)), Converted(pa.nulls(len(raw)))
    if pa.types.is_floating(raw.type) or pa.types.is_decimal(raw.type):
        return pl.Series(pl.from_arrow(raw.cast(pa.float64()))).fill_nan(None), Converted(pa.nulls(len(raw)))
    done = Converted(pa.nulls(len(raw)))  # truth values, moments: no numbers
    done.refuse(NUMBER, _mask(raw.is_valid()))
    return pl.Series([None] * len(raw), dtype=pl.Int64), done


def _floats(numbers: pl.Series, done: Converted) -> pl.Series:
    """As 64-bit floats; what is no finite number is refused."""
    floats = numbers.cast(pl.Float64, strict=False)
    floats = floats.set(~floats.is_finite(), None)
    done.refuse(NUMBER, (numbers.is_not_null() & floats.is_null()).to_numpy())
    return floats


def _integers(raw: pa.Array, kind: pa.DataType) -> Converted:
    """Whole numbers, also when written as 5.0 or 5e0."""
    numbers, done = _numbers(raw)
    whole = (
        numbers.cast(pl.Int64, strict=False)
        if not numbers.dtype.is_float()
        else numbers.clear(len(numbers)).cast(pl.Int64)
    )
    rest = numbers.set(whole.is_not_null(), None)
    if rest.null_count() < len(rest):
        floats = _floats(rest, done)
        fraction = floats != floats.round(0)
        done.refuse(WHOLE, fraction.fill_null(False).to_numpy())
        done.refuse(RANGE, (floats.abs() >= 2**63).fill_null(False).to_numpy())
        whole = whole.zip_with(whole.is_not_null(), floats.set(fraction, None).cast(pl.Int64, strict=False))
    bits = kind.bit_width
    done.refuse(RANGE, ((whole < -(2 ** (bits - 1))) | (whole > 2 ** (bits - 1) - 1)).fill_null(False).to_numpy())
    refused = np.logical_or.reduce([np.zeros(len(raw), bool), *done.faults.values()])
    done.values = whole.set(pl.Series(refused), None).to_arrow().cast(kind)
    return done


def _money(raw: pa.Array) -> Converted:
    """Money in whole cents. Noise of binary floats (0.30000000000000004) is none; 1.234 is refused.

    12 digits fit the 53 bits of a float, so rounding to cents gives back exactly what was written.
    """
    numbers, done = _numbers(raw)
    hundredfold = _floats(numbers, done) * 100
    cents = hundredfold.round(0)
    done.refuse(RANGE, (cents.abs() >= 1e12).fill_null(False).to_numpy())
    noise = (hundredfold - cents).abs() > 1e-6 + hundredfold.abs() * 1e-15
    done.refuse(CENTS, noise.fill_null(False).to_numpy())
    refused = np.logical_or.reduce([np.zeros(len(raw), bool), *done.faults.values()])
    kept = cents.set(pl.Series(refused), None).cast(pl.Int64)
    # int64 is a decimal(19, 0); multiplying by one cent places the point
    done.values = pc.multiply(
        kept.to_arrow().cast(pa.decimal128(19, 0)), pa.scalar("0.01").cast(pa.decimal128(3, 2))
    ).cast(MONEY)
    return done


def _moments(raw: pa.Array) -> Converted:
    """Moments: ISO 8601 (a date, or date and time, with or without a zone), Arrow timestamps and dates.

    Without a zone they are UTC; a date is its midnight; finer than a microsecond is cut off. Numbers are refused:
    nothing says whether they are seconds.
    """
    if _is_string(raw.type) or _is_binary(raw.type):
        text = _text(raw)
        series = pl.Series(pl.from_arrow(text.values)).str.strip_chars()
        series = series.set(series.str.to_lowercase().is_in(NULL_WORDS), None)
        micros, done = _parsed(series), Converted(pa.nulls(len(raw)), text.faults)
        done.refuse(MOMENT, (series.is_not_null() & micros.is_null()).to_numpy())
    elif pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        micros, done = _of_arrow(raw), Converted(pa.nulls(len(raw)))
    else:
        done = Converted(pa.nulls(len(raw), TIMESTAMP))
        done.refuse(MOMENT, _mask(raw.is_valid()))
        return done
    outside = ((micros < _FIRST) | (micros > _LAST)).fill_null(False)
    done.refuse(RANGE, outside.to_numpy())
    done.values = micros.set(outside, None).to_arrow().cast(TIMESTAMP)
    return done


def _parsed(text: pl.Series) -> pl.Series:
    """ISO 8601 as microseconds since 1970 UTC; null where it is none."""
    groups = text.str.extract_groups(_MOMENT).struct.unnest()
    date, clock, seconds, zone = (groups[name] for name in groups.columns)
    written = date + " " + clock.fill_null("00:00") + seconds.fill_null(":00")
    local = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).cast(pl.Int64)
    digits = zone.str.replace("Z|UTC", "+0000").str.replace(":", "").str.pad_end(5, "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int64) * 60 + digits.str.slice(3, 2).cast(pl.Int64)
    sign = digits.str.starts_with("-").cast(pl.Int64) * -2 + 1
    valid = (digits.str.slice(1, 2).cast(pl.Int64) < 24) & (digits.str.slice(3, 2).cast(pl.Int64) < 60)
    local = local.set(~valid.fill_null(True), None)
    return local - (minutes * sign).fill_null(0) * 60_000_000


def _of_arrow(raw: pa.Array) -> pl.Series:
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
