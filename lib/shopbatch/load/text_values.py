"""Converts raw values to text: for text columns, and for the parsers of numbers and timestamps."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.conversion import UTF8, Converted, Mask, to_mask
from shopbatch.load.words import Kind, null_words
from shopbatch.text.blanks import BLANKS
from shopbatch.warehouse.utf8 import invalid_utf8

FLOAT_ID = r"^-?\d+\.0$"


def to_text(raw: pa.Array) -> Converted:
    """Convert an Arrow array of any flat type to strings [n]; bytes that are not UTF-8 are refused (`invalid_utf8`)."""
    kind = raw.type
    if pa.types.is_fixed_size_binary(kind):
        raw = raw.cast(pa.binary())
    if pa.types.is_floating(kind):
        return _from_floats(raw)
    if not is_text(raw.type):
        return Converted(raw.cast(pa.string()))
    try:
        text = raw.cast(pa.string())  # a cast from binary checks for UTF-8, one from strings does not
        bad = invalid_utf8(pa.chunked_array([text])) if _is_string(kind) else None
    except pa.ArrowInvalid:
        text = raw.cast(pa.large_binary()).cast(pa.large_string(), safe=False)
        bad = invalid_utf8(pa.chunked_array([text]))
    if bad is None:
        return Converted(text)
    result = Converted(pc.if_else(bad, pa.scalar("", text.type), text).cast(pa.string()))
    result.refuse(UTF8, to_mask(bad))
    return result


def to_words(raw: pa.Array, kind: Kind) -> tuple[pl.Series, dict[str, Mask]]:
    """Convert raw values to trimmed strings, from which numbers and timestamps are parsed.

    Words for null ("N/A", "-") and blank cells become null.

    Args:
        raw: The values, [n].
        kind: Sort of the column's values ("text", "words", "numbers" or "moments"); each has its own words for null.

    Returns:
        The strings [n], and the faults found so far: reason -> mask, boolean [n].
    """
    text = to_text(raw)
    words = pl.Series(pl.from_arrow(text.values)).str.strip_chars()
    compared = words.str.to_lowercase() if kind in ("numbers", "moments") else words
    absent = (compared == "") | compared.is_in(list(null_words(kind)))
    return words.set(absent, None), text.faults


def without_null_words(text: pa.Array, kind: Kind = "words", column: str = "") -> pa.Array:
    """Return the text with null in place of words that mean a missing value (`NULL`, `nan`, `#N/A`, ...), string [n].

    Args:
        text: The values, string [n].
        kind: What the column holds; `text` that people wrote has fewer words for null than names have.
        column: The column as `table.column`, since some words for null are real values there (NA is Namibia).
    """
    is_word = pc.is_in(pc.utf8_trim_whitespace(text), value_set=pa.array(sorted(null_words(kind, column))))
    return pc.if_else(pc.fill_null(is_word, False), pa.scalar(None, text.type), text) if _any(is_word) else text


def to_ids(text: pa.Array, floats: bool) -> pa.Array:
    """Normalise ids: trim them and remove an apostrophe before them; blank ids become null; string [n].

    Shopify and others write `'6100000000000`, so that a spreadsheet keeps all digits.

    Args:
        text: The values, string [n].
        floats: Whether to read `17850.0` as 17850.
    """
    values = pl.Series(pl.from_arrow(text)).str.strip_chars(BLANKS)
    values = values.set(values == "", None).str.replace(r"^'(\d+)$", "$1")
    if floats:
        values = values.str.replace(r"^(-?\d+)\.0$", "$1")
    return values.to_arrow().cast(pa.string())


def is_text(kind: pa.DataType) -> bool:
    """Return True if values of this Arrow type are strings or bytes."""
    return _is_string(kind) or _is_binary(kind)


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _from_floats(raw: pa.Array) -> Converted:
    """Convert floats to text: NaN to null, and whole numbers to digits without a point.

    Ids become floats in a column with gaps, so 17850.0 must become "17850" again.
    """
    numbers = pl.Series(pl.from_arrow(raw)).cast(pl.Float64).fill_nan(None)
    frame = pl.DataFrame({"x": numbers}).select(
        pl.when((pl.col("x") == pl.col("x").round(0)) & (pl.col("x").abs() < 2**53))
        .then(pl.col("x").cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(pl.col("x").cast(pl.String))
    )
    return Converted(frame["x"].to_arrow().cast(pa.string()))
