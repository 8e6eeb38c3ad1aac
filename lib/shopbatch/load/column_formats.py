"""Decides how the values of each column of a file are written, from all of its values, before any is converted.

A date such as `3/4/2024` or a number such as `1.000` can mean two things; the other values of the column, or the other
columns of the file, often show which. If they do not, an ambiguous date stops the load with a question to the user, and
an ambiguous number is refused as a single value. `inspection.py` collects the counts (`Evidence`) in the first reading;
`values.py` converts by the decision (`ColumnFormat`) in the second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.load import number_values, time_values
from shopbatch.load.text_values import FLOAT_ID, is_text, to_words
from shopbatch.load.time_values import DAY_FIRST, MONTH_FIRST
from shopbatch.tables.schema import TIMESTAMP, Column


@dataclass(frozen=True)
class ColumnFormat:
    """How the values of one column are written.

    Attributes:
        decimal: The decimal mark, "." or ","; None: not known.
        orders: The separator of numeric dates ("/", "-", ".", " ") -> the order of day and month (`dmy`, `mdy`; None:
            not known).
        pattern: The format of timestamps, if the user stated one: an epoch unit, `excel`, or a strptime pattern; "" if
            not.
        float_ids: Whether to read ids such as `17850.0` as `17850`.
        html: Whether the text is HTML, which is converted to plain text.
        table: Name of the table that is loaded.
    """

    decimal: str | None = None
    orders: Mapping[str, str | None] = field(default_factory=dict)
    pattern: str = ""
    float_ids: bool = False
    html: bool = False
    table: str = ""


@dataclass
class Evidence:
    """Counts of the decimal marks, date orders and id forms in one column, from which `decide` makes a `ColumnFormat`.

    The memory does not grow with the file.

    Attributes:
        column: The column of the table.
        marks: `,` or `.` -> number of values that can only be read with this decimal mark; `ambiguous` -> number of
            values such as 1.000.
        orders: Separator of a date -> number of values by order of day and month (`dmy`, `mdy` or `unclear`).
        example: Separator of a date -> the first date of unclear order.
        float_ids: Number of ids such as `17850.0`.
        other_points: Number of ids with a point that do not look like `17850.0`.
    """

    column: Column
    marks: Counter[str] = field(default_factory=Counter)
    orders: dict[str, Counter[str]] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)
    float_ids: int = 0
    other_points: int = 0

    @staticmethod
    def is_wanted(column: Column) -> bool:
        """Return True if the values of a column can be written in several ways: timestamps, numbers and ids."""
        return column.type == TIMESTAMP or is_number(column.type) or column.is_id

    def add(self, raw: pa.Array | Sequence[Any]) -> None:
        """Add the values of one batch to the counts.

        Args:
            raw: The values, [n]; values that are not text have only one reading, and are not counted.
        """
        values = raw if isinstance(raw, pa.Array) else _texts_of(raw)
        if not is_text(values.type) or not len(values):
            return
        if self.column.type == TIMESTAMP:
            self._add_moments(values)
        elif is_number(self.column.type):
            self.marks.update(number_values.decimal_marks(to_words(values, "numbers")[0]))
        elif self.column.is_id:
            words = to_words(values, "words")[0]
            floats = int(words.str.contains(FLOAT_ID).sum() or 0)
            self.float_ids += floats
            self.other_points += int(words.str.contains(".", literal=True).sum() or 0) - floats

    def _add_moments(self, values: pa.Array) -> None:
        """Add dates such as `3/4/2024` to `orders`, by their separator and by their order of day and month.

        The order is clear if one of the first two numbers is greater than 12, and `unclear` if neither is and they
        differ.
        """
        words = to_words(values, "moments")[0].str.replace_all(r"\s+", " ")
        fields = words.str.extract_groups(time_values.NUMERIC).struct.unnest()
        first, mark, second, gap = (fields[name] for name in fields.columns[:4])
        one, two = (s.cast(pl.Int64, strict=False).fill_null(0).to_numpy() for s in (first, second))
        stated = gap.str.starts_with(",").fill_null(True).to_numpy()
        for name in mark.drop_nulls().unique().to_list():
            rows = (mark == name).fill_null(False).to_numpy() & ~stated
            counts = self.orders.setdefault(name, Counter())
            counts[DAY_FIRST] += int(np.count_nonzero(rows & (one > 12) & (two <= 12)))
            counts[MONTH_FIRST] += int(np.count_nonzero(rows & (two > 12) & (one <= 12)))
            unclear = rows & (one <= 12) & (two <= 12) & (one != two)
            counts["unclear"] += int(np.count_nonzero(unclear))
            if unclear.any() and name not in self.example:
                self.example[name] = words[int(np.flatnonzero(unclear)[0])]

    def order(self, mark: str) -> str | None:
        """Return the order of day and month, `dmy` or `mdy`, in the dates with one separator; None if unknown.

        It is known if all dates of clear order agree. Dates with points are taken for `dmy` unless one of them is
        clearly `mdy`.

        Args:
            mark: The separator of the date, such as "/".
        """
        counts = self.orders[mark]
        if bool(counts[DAY_FIRST]) != bool(counts[MONTH_FIRST]):
            return DAY_FIRST if counts[DAY_FIRST] else MONTH_FIRST
        # no country writes the month first in dates with points (4.3.2024)
        return DAY_FIRST if mark == "." and not counts[MONTH_FIRST] else None

    @property
    def decimal(self) -> str | None:
        """The decimal mark of all unambiguous numbers in the column; None if they differ, or if there are none."""
        return _mark(self.marks)


def _mark(counts: Mapping[str, int]) -> str | None:
    """Return "," or "." if only that decimal mark was counted; None if neither or each of them was."""
    if bool(counts[","]) == bool(counts["."]):
        return None
    return "," if counts[","] else "."


def decide(
    evidence: Mapping[str, Evidence], decimal: str | None, dates: Mapping[str, str], usual: Mapping[str, str]
) -> dict[str, ColumnFormat]:
    """Decide how the values of each column are written.

    A column without unambiguous numbers gets the decimal mark of the file's other columns.

    Args:
        evidence: The table's column -> counts of the ways in which its values are written.
        decimal: The decimal mark, if the user named it.
        dates: Column -> how its timestamps are written (`dmy`, `mdy`, an epoch unit, `excel`, a strptime pattern), if
            the user stated it; the key `""` is for all other columns.
        usual: Column -> the order of day and month that the exporting system uses, where the values do not show it.

    Returns:
        The table's column -> its format.

    Raises:
        UserError: It is unknown whether dates begin with the day or the month. The message says which option decides
            it.
    """
    file_marks: Counter[str] = sum((e.marks for e in evidence.values()), Counter())
    formats = {}
    for name, found in evidence.items():
        said = dates.get(name, dates.get("", ""))
        if said in (DAY_FIRST, MONTH_FIRST):
            orders: dict[str, str | None] = dict.fromkeys("/- ", said)  # dates with points are day first anyway
            orders["."] = DAY_FIRST if set(found.orders) - {"."} else said
        else:
            orders = {mark: found.order(mark) or usual.get(name) for mark in found.orders}
            _refuse_unclear(name, found, orders if not said else {})
        own = found.decimal or (None if found.marks[","] else _mark(file_marks))
        pattern = "" if said in (DAY_FIRST, MONTH_FIRST) else said
        whole = bool(found.float_ids) and not found.other_points
        formats[name] = ColumnFormat(decimal or own, orders, pattern, whole)
    return formats


def _refuse_unclear(name: str, found: Evidence, orders: Mapping[str, str | None]) -> None:
    """Raise UserError if a date such as `3/4/2024` may begin with the day or the month and no value decides it.

    Args:
        name: The column, for the message.
        found: How many of its values are written in which way.
        orders: Separator of a date -> the order decided so far; None: not known.
    """
    for mark, order in orders.items():
        counts = found.orders[mark]
        if order is None and counts["unclear"] and not (counts[DAY_FIRST] or counts[MONTH_FIRST]):
            raise UserError(
                f"column {name!r}: nothing says whether {found.example[mark]!r} begins with the day or the month; add "
                f"--date-format {name}=dmy or --date-format {name}=mdy"
            )


def describe(formats: Mapping[str, ColumnFormat], evidence: Mapping[str, Evidence]) -> list[str]:
    """Return notes for the user on how ambiguous values are read, such as "price: a comma marks decimals".

    Args:
        formats: The table's column -> its format.
        evidence: The table's column -> counts of the ways in which its values are written.
    """
    lines = []
    for name, chosen in formats.items():
        found = evidence[name]
        if found.marks["ambiguous"] or (chosen.decimal == "," and found.marks[","]):
            unclear = f"{found.marks['ambiguous']:,} numbers like 1.000 may be one or a thousand; add --decimal , or ."
            marked = {",": "a comma marks decimals", ".": "a point marks decimals"}
            lines.append(f"{name}: {marked.get(chosen.decimal or '', unclear)}")
        lines += [
            f"{name}: dates with {mark!r} are read as {'day' if order == DAY_FIRST else 'month'} first"
            for mark, order in chosen.orders.items()
            if order and mark in found.orders and found.orders[mark]["unclear"]
        ]
        if chosen.pattern:
            lines.append(f"{name}: moments are read as {chosen.pattern}")
        if chosen.float_ids:
            lines.append(f"{name}: names such as 17850.0 are read as 17850")
    return lines


def is_number(kind: pa.DataType) -> bool:
    """Return True if values of this Arrow type are integers or decimals."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _texts_of(raw: Sequence[Any]) -> pa.Array:
    """Return the strings among some Python values as Arrow bytes; all other values are left out."""
    return pa.array([value.encode("utf-8", "surrogatepass") for value in raw if isinstance(value, str)], pa.binary())
