"""How the values of each column of a file are written, decided from all of them before any is converted.

A date such as `3/4/2024` and a number such as `1.000` do not say what they mean; the other values of their column, or
the other columns of their file, often do. Where they do not, the user is asked, or the value is refused.
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

    decimal: what marks decimals, a point or a comma; None: not known. orders: order of day and month (dmy, mdy, None)
    by the mark between them. pattern: how moments are written, if the user said so. float_ids: whether `17850.0` is the
    name 17850. html: whether entities and tags are read as plain text. table: the table that is loaded.
    """

    decimal: str | None = None
    orders: Mapping[str, str | None] = field(default_factory=dict)
    pattern: str = ""
    float_ids: bool = False
    html: bool = False
    table: str = ""


@dataclass
class Evidence:
    """What the values of one column say of how they are written. Memory does not grow with their number."""

    column: Column
    marks: Counter[str] = field(default_factory=Counter)
    orders: dict[str, Counter[str]] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)
    float_ids: int = 0
    other_points: int = 0

    @staticmethod
    def is_wanted(column: Column) -> bool:
        """Whether the values of a column have to be looked at."""
        return column.type == TIMESTAMP or is_number(column.type) or column.is_id

    def add(self, raw: pa.Array | Sequence[Any]) -> None:
        """Look at some values of the column, [n]."""
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
        """The order of day and month that all clear values with this mark have; None if they differ or none is."""
        counts = self.orders[mark]
        if bool(counts[DAY_FIRST]) != bool(counts[MONTH_FIRST]):
            return DAY_FIRST if counts[DAY_FIRST] else MONTH_FIRST
        # no country writes the month first with points
        return DAY_FIRST if mark == "." and not counts[MONTH_FIRST] else None

    @property
    def decimal(self) -> str | None:
        """The mark for decimals that all clear values have; None if they differ or none is."""
        return _mark(self.marks)


def _mark(counts: Mapping[str, int]) -> str | None:
    if bool(counts[","]) == bool(counts["."]):
        return None
    return "," if counts[","] else "."


def decide(
    evidence: Mapping[str, Evidence], decimal: str | None, dates: Mapping[str, str], usual: Mapping[str, str]
) -> dict[str, ColumnFormat]:
    """Decide how each column is written.

    Args:
        evidence: By the table's column.
        decimal: The mark for decimals, if the user named it.
        dates: Column -> how its moments are written (`dmy`, `mdy`, an epoch, `excel`, a strptime pattern), if the user
            said so; the key `""` is for all other columns.
        usual: Column -> the order of day and month that its system writes, where the values do not tell.

    Raises:
        UserError: Dates are truly ambiguous. The message says how to decide.
    """
    file_marks: Counter[str] = sum((e.marks for e in evidence.values()), Counter())
    formats = {}
    for name, found in evidence.items():
        said = dates.get(name, dates.get("", ""))
        if said in (DAY_FIRST, MONTH_FIRST):
            orders: dict[str, str | None] = dict.fromkeys("/- ", said)  # with points the day comes first anyway
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
    for mark, order in orders.items():
        counts = found.orders[mark]
        if order is None and counts["unclear"] and not (counts[DAY_FIRST] or counts[MONTH_FIRST]):
            raise UserError(
                f"column {name!r}: nothing says whether {found.example[mark]!r} begins with the day or the month; add "
                f"--date-format {name}=dmy or --date-format {name}=mdy"
            )


def describe(formats: Mapping[str, ColumnFormat], evidence: Mapping[str, Evidence]) -> list[str]:
    """Say what was decided, a line each, where the values alone did not say it."""
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
    """Whether values of this type are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _texts_of(raw: Sequence[Any]) -> pa.Array:
    return pa.array([value.encode("utf-8", "surrogatepass") for value in raw if isinstance(value, str)], pa.binary())
