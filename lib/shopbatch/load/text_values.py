"""Converts values to text, and text to what numbers and timestamps are parsed from."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.conversion import UTF8, Converted, Mask, to_mask
from shopbatch.warehouse import files

# what users write in place of a number or a timestamp that they do not have, in small letters
NULL_WORDS = ("", "null", "none", "nan", "na", "n/a", "nat", r"\n")


def to_text(raw: pa.Array) -> Converted:
    """Convert to strings; strings stay as they are, and invalid UTF-8 is refused."""
    kind = raw.type
    if pa.types.is_fixed_size_binary(kind):
        raw = raw.cast(pa.binary())
    if pa.types.is_floating(kind):
        return _from_floats(raw)
    if not is_text(raw.type):
        return Converted(raw.cast(pa.string()))
    try:
        text = raw.cast(pa.string())  # a cast from binary checks the bytes, a cast from strings does not
        bad = files.invalid_utf8(pa.chunked_array([text])) if _is_string(kind) else None
    except pa.ArrowInvalid:
        text = raw.cast(pa.large_binary()).cast(pa.large_string(), safe=False)
        bad = files.invalid_utf8(pa.chunked_array([text]))
    if bad is None:
        return Converted(text)
    result = Converted(pc.if_else(bad, pa.scalar("", text.type), text).cast(pa.string()))
    result.refuse(UTF8, to_mask(bad))
    return result


def to_words(raw: pa.Array) -> tuple[pl.Series, dict[str, Mask]]:
    """Convert text to trimmed strings with every word for null as null; also return the faults found so far."""
    text = to_text(raw)
    words = pl.Series(pl.from_arrow(text.values)).str.strip_chars()
    return words.set(words.str.to_lowercase().is_in(NULL_WORDS), None), text.faults


def is_text(kind: pa.DataType) -> bool:
    """Whether values of this type are strings or bytes."""
    return _is_string(kind) or _is_binary(kind)


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _from_floats(raw: pa.Array) -> Converted:
    """Floats as text: NaN as null, and whole numbers without a point, since ids become floats in a column with gaps."""
    numbers = pl.Series(pl.from_arrow(raw)).cast(pl.Float64).fill_nan(None)
    frame = pl.DataFrame({"x": numbers}).select(
        pl.when((pl.col("x") == pl.col("x").round(0)) & (pl.col("x").abs() < 2**53))
        .then(pl.col("x").cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(pl.col("x").cast(pl.String))
    )
    return Converted(frame["x"].to_arrow().cast(pa.string()))
