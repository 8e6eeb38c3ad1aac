"""Converts values to whole numbers, amounts of money and star ratings, with a point or a comma as the decimal mark.

The decimal mark is decided per column from all of its values (see `column_formats.py`). A value such as `1.000` is
refused as ambiguous if nothing shows whether it means one or a thousand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load.conversion import AMBIGUOUS, NUMBER, RANGE, WHOLE, Converted, refuse_all
from shopbatch.load.text_values import is_text, to_words
from shopbatch.load.words import currencies as known_currencies

# parts of an amount: blanks, and a currency's code or symbol, before or after the number
_AROUND = r"[\s\x{a0}\x{202f}\x{2009}]*"
_MONEY = r"(?:[A-Z]{3}|[A-Z]{0,3}\$|[€£¥₹₽₩₫฿₺₴₪₦₱]|元|円|원|kr\.?|zł|Kč|Ft|lei|руб\.?|Fr\.?|Rs\.?|Rp\.?)?"
AMOUNT = (
    rf"^(\(?)([-+−]?){_AROUND}{_MONEY}{_AROUND}([-+−]?)(\d[\d.,'’\s\x{{a0}}\x{{202f}}\x{{2009}}]*?|[.,]\d+?)"
    rf"{_AROUND}{_MONEY}{_AROUND}([-−]?)(\)?)$"
)
_SCIENTIFIC = r"^[-+]?\d+(?:\.\d+)?[eE][-+]?\d+$"
_SPACES = r"['’\s\x{a0}\x{202f}\x{2009}]"
# Shapes of numbers that show which mark is the decimal mark, and the shape that does not.
COMMA_IS_DECIMAL = r"^(?:\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d*,\d{1,2}|\d*,\d{4,}|\d{4,},\d+|0\d*,\d+)$"
POINT_IS_DECIMAL = (
    r"^(?:\d{1,3}(?:,\d{2,3})*,\d{3}\.\d+|\d{1,3}(?:,\d{3}){2,}|\d{1,2}(?:,\d{2})+,\d{3}"
    r"|\d*\.\d{1,2}|\d*\.\d{4,}|\d{4,}\.\d+|0\d*\.\d+)$"
)
AMBIGUOUS_MARK = r"^[1-9]\d{0,2}[.,]\d{3}$"
_PLAIN = r"^\d+$"
# numbers that a cast can parse as they are, by the decimal mark
_CLEAR = {None: r"^[-+]?\d+(?:\.\d{1,2})?$", ".": r"^[-+]?\d+(?:\.\d+)?$", ",": r"^[-+]?\d+$"}
_POINT_NUMBER = r"^(?:[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|\d*)(?:\.\d*)?$"
_COMMA_NUMBER = r"^(?:[1-9]\d{0,2}(?:\.\d{3})+|\d*)(?:,\d*)?$"


def to_integers(raw: pa.Array, kind: pa.DataType, decimal: str | None = None) -> Converted:
    """Convert to whole numbers; 5.0 and 5e0 are accepted, 5.5 is refused (`not_whole`).

    Args:
        raw: The values, [n].
        kind: The Arrow integer type of the result; numbers beyond it are refused.
        decimal: The decimal mark in text, "." or ","; None: not known, so that ambiguous text is refused.
    """
    values, result = _numbers(raw, decimal)
    integers = (
        values.cast(pl.Int64, strict=False) if not values.dtype.is_float() else values.clear(len(values)).cast(pl.Int64)
    )
    others = values.set(integers.is_not_null(), None)
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


def to_money(raw: pa.Array, kind: pa.Decimal128Type, decimal: str | None = None) -> Converted:
    """Convert to amounts of money, rounded to the decimals of the column (halves away from zero).

    Rounded values are marked in `Converted.rounded`, except where the difference is only an error of binary floats
    (0.30000000000000004 -> 0.30). Amounts pass through 64-bit floats, which hold 15 digits.

    Args:
        raw: The values, [n]; text may hold a currency and separators of thousands, as in `1.234,50 EUR`.
        kind: The Arrow decimal type of the result; greater amounts are refused.
        decimal: The decimal mark in text, "." or ","; None: not known, so that ambiguous text is refused.
    """
    values, result = _numbers(raw, decimal)
    scaled = _floats(values, result) * 10**kind.scale
    whole = (scaled.abs() + 0.5 + 1e-6).floor() * scaled.sign()
    result.refuse(RANGE, (whole.abs() >= 10**kind.precision).fill_null(False).to_numpy())
    rounded = ((scaled - whole).abs() > 1e-6 + scaled.abs() * 1e-15).fill_null(False)
    result.rounded = np.asarray(rounded.to_numpy() & ~result.refused)
    good = whole.set(pl.Series(result.refused), None).cast(pl.Int64)
    # an int64 is a decimal(19, 0); multiplying by the smallest unit moves the decimal point
    unit = pa.scalar(f"0.{'0' * (kind.scale - 1)}1").cast(pa.decimal128(kind.scale + 1, kind.scale))
    result.values = pc.multiply(good.to_arrow().cast(pa.decimal128(19, 0)), unit).cast(kind)
    return result


def to_stars(raw: pa.Array, kind: pa.DataType, decimal: str | None = None) -> Converted:
    """Convert ratings to whole stars out of five: `4.5`, `4/5`, `8 out of 10`, `4 stars`, ★★★.

    Fractions are rounded, halves up, and marked in `Converted.rounded` (`4.5` -> 5, `8 out of 10` -> 4).

    Args:
        raw: The values, [n].
        kind: The Arrow integer type of the result.
        decimal: Makes no difference, since a point and a comma are both read as the decimal mark of a rating.
    """
    if is_text(raw.type):
        words, faults = to_words(raw, "numbers")
        parts = words.str.extract_groups(_RATING).struct.unnest()
        filled, number, most = (parts[name] for name in parts.columns)
        number = number.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        scale = most.cast(pl.Float64, strict=False).fill_null(5.0)
        stars = (number / scale * 5).zip_with(filled.is_null(), filled.str.count_matches("★|⭐").cast(pl.Float64))
        result = Converted(pa.nulls(len(raw)), faults)
        result.refuse(NUMBER, (words.is_not_null() & ~stars.is_finite().fill_null(False)).to_numpy())
    else:
        values, result = _numbers(raw, decimal)
        stars = _floats(values, result)
    whole = (stars + 0.5 + 1e-9).floor()
    result.refuse(RANGE, ((whole.abs() > 127) | ~stars.is_finite()).fill_null(False).to_numpy())
    result.rounded = np.asarray(((stars - whole).abs() > 1e-6).fill_null(False).to_numpy() & ~result.refused)
    result.values = whole.set(pl.Series(result.refused), None).cast(pl.Int64).to_arrow().cast(kind)
    return result


_RATING = (
    r"^(?:([★⭐]+[☆✩]*)|(-?\d{1,3}(?:[.,]\d+)?)(?:\s*(?:/|out of|von|sur|de)\s*(\d{1,3}))?"
    r"\s*(?i:stars?|sterne?|étoiles?|estrellas?|星|分|★|⭐)?)$"
)


def decimal_marks(words: pl.Series) -> dict[str, int]:
    """Count how many values of a column show that its decimal mark is a comma or a point, and how many are ambiguous.

    `column_formats.py` decides the decimal mark of the column from these counts.

    Args:
        words: Trimmed values, string [n].

    Returns:
        Counts for the keys `,`, `.` and `ambiguous` (such as 1.000).
    """
    bare = _bare(words)
    return {
        ",": int(bare.str.contains(COMMA_IS_DECIMAL).sum() or 0),
        ".": int(bare.str.contains(POINT_IS_DECIMAL).sum() or 0),
        "ambiguous": int(bare.str.contains(AMBIGUOUS_MARK).sum() or 0),
    }


def currencies(words: pl.Series) -> pl.Series:
    """Return the ISO 4217 code of the currency in each amount, string [n]; null where there is none.

    `15.00 USD` gives USD, and `€ 15` gives EUR; a symbol that several currencies share gives null.

    Args:
        words: Trimmed amounts, string [n].
    """
    around = words.str.replace_all(r"[\d.,'’\s+−()-]", "")
    known = known_currencies()
    codes = {text: known.get(text.casefold()) for text in around.drop_nulls().unique().to_list()}
    return around.replace_strict(codes, default=None, return_dtype=pl.String)


def _bare(words: pl.Series) -> pl.Series:
    """Return the digits, points and commas of each number, without sign and currency; null if it is no number."""
    return _without_spaces(words.str.extract(AMOUNT, 4))


def _without_spaces(digits: pl.Series) -> pl.Series:
    """Remove blanks and apostrophes between groups of three digits ("1'234" -> "1234").

    A number with a blank or an apostrophe in another place becomes null.
    """
    spaced = digits.str.contains(_SPACES).fill_null(False)
    grouped = digits.str.contains(rf"^\d{{1,3}}(?:{_SPACES}\d{{3}})+(?:[.,]\d*)?$").fill_null(False)
    return digits.set(spaced & ~grouped, None).str.replace_all(_SPACES, "")


def _numbers(raw: pa.Array, decimal: str | None) -> tuple[pl.Series, Converted]:
    """Prepare values that may be numbers for a cast to a numeric type.

    Args:
        raw: The values, [n].
        decimal: The decimal mark in text, "." or ","; None: only unambiguous text is read.

    Returns:
        The prepared values [n], as numbers or as text that a cast turns into a number or null; and a `Converted` to
        which the caller adds values and further faults.
    """
    if is_text(raw.type):
        words, faults = to_words(raw, "numbers")
        result = Converted(pa.nulls(len(raw)), faults)
        parsed, ambiguous = _parse(words, decimal)
        result.refuse(AMBIGUOUS, ambiguous)
        return parsed, result
    if pa.types.is_integer(raw.type):
        return pl.Series(pl.from_arrow(raw)), Converted(pa.nulls(len(raw)))
    if pa.types.is_floating(raw.type) or pa.types.is_decimal(raw.type):
        return pl.Series(pl.from_arrow(raw.cast(pa.float64()))).fill_nan(None), Converted(pa.nulls(len(raw)))
    # booleans and timestamps are not numbers
    return pl.Series([None] * len(raw), dtype=pl.Int64), refuse_all(raw, pa.null(), NUMBER)


def _parse(words: pl.Series, decimal: str | None) -> tuple[pl.Series, npt.NDArray[np.bool_]]:
    """Rewrite text so that a cast can parse it as a number: no currency, no separators, a point as the decimal mark.

    Args:
        words: Trimmed values, string [n].
        decimal: The decimal mark, "." or ","; None: not known.

    Returns:
        The rewritten text [n] ("?" for text that is no number, so that the cast fails); and a mask of the ambiguous
        values, boolean [n].
    """
    none = np.zeros(len(words), bool)
    if words.str.contains(_CLEAR[decimal]).fill_null(True).all():  # most columns, and much faster
        return words, none
    groups = words.str.extract_groups(AMOUNT).struct.unnest()
    opened, sign, inner, digits, behind, closed = (groups[name] for name in groups.columns)
    bare = _without_spaces(digits)
    ambiguous = none
    if decimal is None:
        comma = bare.str.contains(COMMA_IS_DECIMAL)
        point = bare.str.contains(POINT_IS_DECIMAL) | bare.str.contains(_PLAIN)
        ambiguous = bare.str.contains(AMBIGUOUS_MARK).fill_null(False).to_numpy()
    else:
        never = pl.repeat(False, len(bare), eager=True)
        comma = bare.str.contains(_COMMA_NUMBER) if decimal == "," else never
        point = bare.str.contains(_POINT_NUMBER) if decimal == "." else never
    number = (
        bare.str.replace_all(".", "", literal=True)
        .str.replace(",", ".", literal=True)
        .zip_with(comma.fill_null(False), bare.str.replace_all(",", "", literal=True))
    )
    minus = [s.is_in(["-", "−"]).fill_null(False).cast(pl.Int8) for s in (sign, inner, behind)]
    brackets = (opened == "(").fill_null(False)
    signs = minus[0] + minus[1] + minus[2] + brackets.cast(pl.Int8)
    good = ((comma | point).fill_null(False)) & (signs <= 1) & (brackets == (closed == ")").fill_null(False))
    signed = number.zip_with(signs == 0, "-" + number)
    keep = good & ~pl.Series(ambiguous)
    rest = words.set(~(words.str.contains(_SCIENTIFIC).fill_null(False)), "?")  # "?" fails the cast later
    return signed.zip_with(keep, rest).set(words.is_null(), None), ambiguous


def _floats(numbers: pl.Series, result: Converted) -> pl.Series:
    """Cast numbers to 64-bit floats; a value that is no finite number becomes null, and is refused in `result`."""
    floats = numbers.cast(pl.Float64, strict=False)
    floats = floats.set(~floats.is_finite(), None)
    result.refuse(NUMBER, (numbers.is_not_null() & floats.is_null()).to_numpy())
    return floats
