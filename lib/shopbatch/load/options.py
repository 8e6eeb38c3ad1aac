"""The options by which a user says how a file is written (`shopbatch load --map --preset ...`), and their parsers."""

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
    """How a file is to be read, as far as the user says; by default, everything is recognised from the file.

    Attributes:
        mapping: The table's column -> the file's column; an empty string leaves the column out.
        auto: Whether to load a column of the file whose name is only a known synonym of the table's column (`--map
            auto`).
        preset: The system that the file comes from, such as `shopify`; None: recognised from the columns.
        encoding: A Python codec; None: recognised from the bytes.
        decimal: The decimal mark, a point or a comma; None: recognised for each column.
        dates: Column -> how its timestamps are written (`dmy`, `mdy`, an epoch unit, `excel`, a strptime pattern); the
            key "" is for all other columns.
        names: The columns of a file without a header.
        max_rejects: The greatest share (0..1) of the rows that may be refused.
        max_unpacked: Gigabytes (10**9 bytes) that a compressed file may become, or that a workbook may take of the
            memory; None: the limits of `bounds.py`.
        constants: The table's column -> a value for each row in which the file states none.
        unpublished: Whether to load also products that the export marks as not for sale (drafts, hidden or archived
            ones).
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
        """Return a dict of the options that are set and may change the loaded rows, by their names.

        They are part of the load's id (`identity.load_id`). Options with their default are left out, so that a load
        without options keeps its id when a new option is added.
        """
        stated = asdict(self)
        del stated["max_rejects"], stated["max_unpacked"]
        return {name: value for name, value in stated.items() if value}


def parse_mapping(items: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Parse the `--map` items `COLUMN=Their Column`; an empty right side leaves that column out.

    Args:
        items: The items, which may include the word `auto`.

    Returns:
        The table's column -> the file's column, and whether `auto` is among the items.

    Raises:
        UserError: An item has another form.
    """
    mapping = {}
    for item in items:
        target, equals, column = item.partition("=")
        if item != AUTO and (not equals or not target):
            raise UserError(f'--map {item!r}: expected COLUMN="Their Column", COLUMN= to leave one out, or auto')
        if item != AUTO:
            mapping[target.strip()] = column
    return mapping, AUTO in items


def parse_constants(items: Sequence[str]) -> dict[str, str]:
    """Parse the `--set` items `COLUMN=VALUE` into column -> value. UserError if a side of an item is empty."""
    constants = {}
    for item in items:
        column, _, value = item.partition("=")
        if not column.strip() or not value.strip():
            raise UserError(f"--set {item!r}: expected COLUMN=VALUE, such as currency=USD")
        constants[column.strip()] = value.strip()
    return constants


def parse_dates(items: Sequence[str]) -> dict[str, str]:
    """Parse the `--date-format` items `FORMAT` or `COLUMN=FORMAT`.

    Returns:
        Column -> format; the key "" for a format without a column, which holds for all other columns.

    Raises:
        UserError: The format is neither a known name (`dmy`, `mdy`, `epoch_s`, `excel`, ...) nor a strptime pattern.
    """
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
    """Return True if Polars can parse timestamps with this strptime pattern."""
    if not re.search(r"%[YyFDcs+]", text):
        return False
    try:
        pl.Series(["?"]).str.to_datetime(text, strict=False)
    except pl.exceptions.PolarsError:
        return False
    return True


def parse_decimal(text: str | None) -> str | None:
    """Parse `--decimal` (`.`, `,`, `point` or `comma`) into "." or ","; None stays None. UserError for other text."""
    marks = {None: None, ".": ".", ",": ",", "point": ".", "comma": ","}
    if text not in marks:
        raise UserError(f"--decimal {text!r}: expected . or ,")
    return marks[text]


def parse_encoding(text: str | None) -> str | None:
    """Parse `--encoding` into the name of a Python codec; None stays None. UserError if Python has no such codec."""
    return None if text is None else check_encoding(text)


def parse_names(text: str | None) -> tuple[str, ...]:
    """Parse `--columns a,b,c`, the column names of a file without a header; () for None.

    Raises:
        UserError: A name is empty or occurs twice.
    """
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise UserError(f"--columns {text!r}: expected different names, as many as the file has columns: a,b,c")
    return names
