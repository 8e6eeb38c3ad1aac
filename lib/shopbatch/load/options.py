"""What a user may say about a file: which columns it has, how they are written, and how many rows may be refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from shopbatch.core.errors import UserError
from shopbatch.load.encodings import check_encoding
from shopbatch.load.time_values import DAY_FIRST, MONTH_FIRST, NUMERIC_FORMATS

AUTO = "auto"


@dataclass(frozen=True)
class Options:
    """How a file is read; the defaults recognise everything.

    mapping: the table's column -> the file's column; an empty name leaves the column out. auto: also take columns whose
    names are known to mean the same. preset: the system that the file comes from. encoding: a codec. decimal: what
    marks decimals. dates: column -> how its moments are written; "" is for all others. names: the columns of a file
    without a header. max_rejects: the greatest share of rows that may be refused.
    max_unpacked: GB that a compressed file may become, or that a workbook may take of the memory. constants: values of
    the table's columns where the file states none. unpublished: also take goods that the export marks as not for sale.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    auto: bool = False
    preset: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    max_rejects: float = 0.1
    max_unpacked: float | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    unpublished: bool = False

    def identity(self) -> dict[str, Any]:
        """What of it may change the rows of a load, for its name. A load without options keeps the name it had."""
        stated = asdict(self)
        del stated["max_rejects"], stated["max_unpacked"]
        return {name: value for name, value in stated.items() if value}


def parse_mapping(items: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Parse `COLUMN=Their Column` items; the word `auto` among them is returned as True."""
    mapping = {}
    for item in items:
        target, equals, column = item.partition("=")
        if item != AUTO and (not equals or not target):
            raise UserError(f'--map {item!r}: expected COLUMN="Their Column", COLUMN= to leave one out, or auto')
        if item != AUTO:
            mapping[target.strip()] = column
    return mapping, AUTO in items


def parse_constants(items: Sequence[str]) -> dict[str, str]:
    """Parse `COLUMN=VALUE` items of --set."""
    constants = {}
    for item in items:
        column, _, value = item.partition("=")
        if not column.strip() or not value.strip():
            raise UserError(f"--set {item!r}: expected COLUMN=VALUE, such as currency=USD")
        constants[column.strip()] = value.strip()
    return constants


def parse_dates(items: Sequence[str]) -> dict[str, str]:
    """Parse `FORMAT` or `COLUMN=FORMAT` items. UserError for a format that does not exist."""
    dates = {}
    for item in items:
        column, equals, written = item.partition("=")
        column, written = (column, written) if equals else ("", item)
        if written not in (DAY_FIRST, MONTH_FIRST, *NUMERIC_FORMATS) and not _is_pattern(written):
            known = ", ".join((DAY_FIRST, MONTH_FIRST, *NUMERIC_FORMATS))
            raise UserError(f"--date-format {item!r}: expected {known} or a pattern such as %d.%m.%Y %H:%M")
        dates[column] = written
    return dates


def _is_pattern(text: str) -> bool:
    """Whether moments can be parsed by this strptime pattern."""
    if not re.search(r"%[YyFDcs+]", text):
        return False
    try:
        pl.Series(["?"]).str.to_datetime(text, strict=False)
    except pl.exceptions.PolarsError:
        return False
    return True


def parse_decimal(text: str | None) -> str | None:
    """Return the mark for decimals: a point or a comma."""
    marks = {None: None, ".": ".", ",": ",", "point": ".", "comma": ","}
    if text not in marks:
        raise UserError(f"--decimal {text!r}: expected . or ,")
    return marks[text]


def parse_encoding(text: str | None) -> str | None:
    """Return the name of the codec."""
    return None if text is None else check_encoding(text)


def parse_names(text: str | None) -> tuple[str, ...]:
    """Parse `a,b,c`, the columns of a file without a header."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise UserError(f"--columns {text!r}: expected different names, as many as the file has columns: a,b,c")
    return names
