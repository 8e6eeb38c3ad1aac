"""Converts values to whole numbers and to money."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.conversion import CENTS, NUMBER, RANGE, WHOLE, Converted, refuse_all
from shopbatch.load.text_values import is_text, to_words
from shopbatch.tables.schema import MONEY


def to_integers(raw: pa.Array, kind: pa.DataType) -> Converted:
    """Convert to whole numbers; 5.0 and 5e0 are whole as well."""
    numbers, result = _numbers(raw)
    integers = (
        numbers.cast(pl.Int64, strict=False)
        if not numbers.dtype.is_float()
        else numbers.clear(len(numbers)).cast(pl.Int64)
    )
    others = numbers.set(integers.is_not_null(), None)
    if others.null_count() < len(others):
        floats = _floats(others, result)
        fraction = floats != floats.round(0)
        result.refuse(WHOLE, fraction.fill_null(False).to_numpy())
        result.refuse(RANGE, (floats.abs() >= 2**63).fill_null(False).to_numpy())
        whole = floats.set(fraction, None).cast(pl.Int64, strict=False)
        integers = integers.zip_with(integers.is_not_null(), whole)
    low, high = -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1
    result.refuse(RANGE, ((integers < low) | (integers > high)).fill_null(False).to_numpy())
    result.values = integers.set(pl.Series(result.refused), None).to_arrow().cast(kind)
    return result


def to_money(raw: pa.Array) -> Converted:
    """Convert to money in whole cents: 0.30000000000000004 is 0.30 with the noise of binary floats, 1.234 is refused.

    12 digits fit into the 53 bits of a float, so rounding to cents returns exactly what was written.
    """
    numbers, result = _numbers(raw)
    hundredfold = _floats(numbers, result) * 100
    cents = hundredfold.round(0)
    result.refuse(RANGE, (cents.abs() >= 1e12).fill_null(False).to_numpy())
    fraction = (hundredfold - cents).abs() > 1e-6 + hundredfold.abs() * 1e-15
    result.refuse(CENTS, fraction.fill_null(False).to_numpy())
    good = cents.set(pl.Series(result.refused), None).cast(pl.Int64)
    # int64 becomes a decimal(19, 0), and multiplying by one cent moves the point
    result.values = pc.multiply(
        good.to_arrow().cast(pa.decimal128(19, 0)), pa.scalar("0.01").cast(pa.decimal128(3, 2))
    ).cast(MONEY)
    return result


def _numbers(raw: pa.Array) -> tuple[pl.Series, Converted]:
    """Values that may be numbers (text is trimmed, words for null are null), and a result that collects the faults."""
    if is_text(raw.type):
        words, faults = to_words(raw)
        return words, Converted(pa.nulls(len(raw)), faults)
    if pa.types.is_integer(raw.type):
        return pl.Series(pl.from_arrow(raw)), Converted(pa.nulls(len(raw)))
    if pa.types.is_floating(raw.type) or pa.types.is_decimal(raw.type):
        return pl.Series(pl.from_arrow(raw.cast(pa.float64()))).fill_nan(None), Converted(pa.nulls(len(raw)))
    # booleans and timestamps are not numbers
    return pl.Series([None] * len(raw), dtype=pl.Int64), refuse_all(raw, pa.null(), NUMBER)


def _floats(numbers: pl.Series, result: Converted) -> pl.Series:
    """The numbers as 64-bit floats; what is not a finite number is refused."""
    floats = numbers.cast(pl.Float64, strict=False)
    floats = floats.set(~floats.is_finite(), None)
    result.refuse(NUMBER, (numbers.is_not_null() & floats.is_null()).to_numpy())
    return floats
