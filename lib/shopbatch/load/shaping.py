"""Brings the rows of an export into the shape of a table, before and after their values are converted.

Before: cells that stand in the first row of an order only. After: attributes from pairs of
columns, amounts from prices, numbers of lines, and several rows of one product merged into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128
from shopbatch.load import keys
from shopbatch.load.presets import Preset
from shopbatch.load.raw import RawBatch
from shopbatch.load.text_values import to_ids, to_text, without_null_words
from shopbatch.tables.schema import MONEY, Table

_RAW = Mapping[str, pa.Array]


def text_cells(raw: pa.Array | Sequence[Any]) -> pa.Array:
    """Cells as text for names and comparisons, null where they say nothing; string [n]."""
    if not isinstance(raw, pa.Array):
        raw = pa.array([None if v is None else str(v).encode("utf-8", "surrogatepass") for v in raw], pa.binary())
    return to_ids(without_null_words(to_text(raw).values), floats=True)


def reworded(raw: pa.Array | Sequence[Any], words: Mapping[str, str]) -> pa.Array | Sequence[Any]:
    """Replace the words of an export by what they mean (`Preset.values`); all other values stay."""
    if not words:
        return raw
    cells = pl.Series(pl.from_arrow(text_cells(raw))).cast(pl.String)
    known = {word.casefold(): meaning for word, meaning in words.items()}
    return cells.str.to_lowercase().replace_strict(known, default=cells).to_arrow().cast(pa.string())


@dataclass
class Carry:
    """Fills blank cells from the row before, within rows that belong together, also across batches."""

    columns: Sequence[str]
    by: str
    _last: dict[str, str | None] = field(default_factory=dict)

    def fill(self, batch: RawBatch) -> dict[str, pa.Array]:
        """Return the columns [n] with their blank cells filled."""
        group = pl.Series(pl.from_arrow(text_cells(batch.get(self.by))))
        filled: dict[str, pa.Array] = {}
        before = self._last.get(self.by)
        for name in self.columns:
            cells = pl.Series(pl.from_arrow(text_cells(batch.get(name))))
            frame = pl.DataFrame(
                {"group": pl.concat([pl.Series([before], dtype=pl.String), group]),
                 "cell": pl.concat([pl.Series([self._last.get(name)], dtype=pl.String), cells])}
            )  # fmt: skip
            filled_cells = frame.select(pl.col("cell").forward_fill().over(pl.col("group").rle_id()))["cell"]
            filled[name] = filled_cells[1:].to_arrow().cast(pa.string())
            self._last[name] = filled_cells[-1]
        if len(group):
            self._last[self.by] = group[-1]
        return filled


def attributes_of_pairs(batch: RawBatch, preset: Preset, filled: _RAW) -> dict[str, pa.Array]:
    """The entries of the map `attributes` from columns that hold a name and a value; name -> texts [n]."""
    entries: dict[str, pa.Array] = {}
    for name_column, value_column in preset.pairs:
        named = filled.get(name_column)
        labels = text_cells(batch.get(name_column)) if named is None else named
        texts = text_cells(batch.get(value_column))
        for label in pc.unique(labels).drop_null().to_pylist():
            here = pc.and_(pc.equal(labels, label), texts.is_valid())
            ignored = preset.ignored_values.get(label, ())
            if ignored:
                here = pc.and_(here, pc.invert(pc.is_in(texts, pa.array(ignored))))
            found = pc.if_else(pc.fill_null(here, False), texts, None)
            name = label.strip().lower()
            entries[name] = pc.coalesce(entries[name], found) if name in entries else found
    return entries


def compute_sales(columns: dict[str, pa.Array]) -> pa.Array:
    """The money of a line, quantity x unit price - discount, in the table's type; null where one is missing; [n]."""
    quantity = columns["quantity"].cast(pa.decimal128(19, 0))
    gross = pc.multiply(quantity, columns["unit_price"])
    discount = pc.fill_null(columns["retail_discount"].cast(gross.type), 0)
    # the discount of a line is positive also where the line is a return
    signed = pc.if_else(pc.less(columns["quantity"], 0), pc.negate(discount), discount)
    net = pc.round(pc.subtract(gross, signed), MONEY.scale, round_mode="half_towards_infinity")
    fits = pc.less(pc.abs(net), 10 ** (MONEY.precision - MONEY.scale))
    return pc.if_else(fits, net, None).cast(MONEY)


def number_lines(columns: dict[str, pa.Array], key: Sequence[str], seen: keys.Occurrences) -> tuple[pa.Array, int]:
    """Number the rows with the same key, from 1, in the order of the file; also return how many were not the first."""
    _, low = hash128([columns[name] for name in key])
    earlier = seen.count(low)
    return pa.array(earlier + 1, pa.int64()), int(np.count_nonzero(earlier))


class Merger:
    """Merges the rows of one key into one: a later row changes only what it states.

    The number of rows of each key is counted in a first reading, so that only rows whose key is not complete yet wait.
    """

    def __init__(self, table: Table, preset: Preset | None) -> None:
        self.table, self.merged = table, 0
        self._first = frozenset(preset.first if preset else ())
        self._together = preset.together if preset else {}
        self._best = preset.best if preset else {}
        self._hashes: list[keys.Hashes] = []
        self._counts: dict[int, int] = {}
        self._repeated = np.empty(0, np.uint64)
        self._waiting: pa.Table | None = None
        self._waiting_hashes = np.empty(0, np.uint64)

    def count(self, texts: pa.Array) -> None:
        """Look at the keys of some rows, in the first reading; string [n]."""
        self._hashes.append(_key_hashes(texts))

    def counted(self) -> None:
        """End the first reading."""
        distinct, counts = np.unique(np.concatenate([*self._hashes, np.empty(0, np.uint64)]), return_counts=True)
        self._repeated = distinct[counts > 1]
        self._counts = dict(zip(self._repeated.tolist(), counts[counts > 1].tolist(), strict=True))
        self._hashes.clear()

    def take(self, rows: pa.Table) -> pa.Table:
        """Take some rows; return those that are complete."""
        hashes = _key_hashes(rows[self.table.key[0]].combine_chunks())
        repeated = np.isin(hashes, self._repeated) if len(self._repeated) else np.zeros(len(hashes), bool)
        if not repeated.any():
            return rows
        single = rows.filter(pa.array(~repeated))
        waiting = rows.filter(pa.array(repeated))
        held = waiting if self._waiting is None else pa.concat_tables([self._waiting, waiting])
        held_hashes = np.concatenate([self._waiting_hashes, hashes[repeated]])
        distinct, counts = np.unique(held_hashes, return_counts=True)
        complete = distinct[[self._counts[h] <= c for h, c in zip(distinct.tolist(), counts.tolist(), strict=True)]]
        ready = np.isin(held_hashes, complete)
        self._waiting, self._waiting_hashes = held.filter(pa.array(~ready)), held_hashes[~ready]
        return pa.concat_tables([single, self._merge(held.filter(pa.array(ready)))])

    def rest(self) -> pa.Table | None:
        """The rows that wait at the end, merged: some rows of their keys were refused."""
        held, self._waiting = self._waiting, None
        return None if held is None or not held.num_rows else self._merge(held)

    def _state(self, name: str) -> pl.Expr:
        """What several rows say of one column."""
        values = pl.col(name)
        if name in self._best:
            return _best(values, self._best[name])
        if name in self._together:
            return values.filter(pl.col(self._together[name]).is_not_null()).first()
        return values.drop_nulls().first() if name in self._first else values.drop_nulls().last()

    def _merge(self, rows: pa.Table) -> pa.Table:
        if not rows.num_rows:
            return rows
        key, order = self.table.key[0], self.table.latest_by
        frame = pl.DataFrame(pl.from_arrow(rows)).with_row_index("#row")
        if order is not None:
            frame = frame.sort(order, "#row")  # rows without a moment come first
        nested = [f.name for f in rows.schema if pa.types.is_map(f.type) or pa.types.is_list(f.type)]
        states = [self._state(n) for n in rows.schema.names if n != key and n not in nested]
        gathered = [pl.col(n).drop_nulls() for n in nested]
        merged = frame.group_by(key, maintain_order=True).agg(pl.col("#row").first(), *states, *gathered).sort("#row")
        columns = {f.name: _united(merged[f.name], f.type) for f in rows.schema if f.name in nested}
        columns |= {f.name: merged[f.name].to_arrow().cast(f.type) for f in rows.schema if f.name not in nested}
        self.merged += rows.num_rows - merged.height
        return pa.table({f.name: columns[f.name] for f in rows.schema}, schema=rows.schema)


def _best(words: pl.Expr, order: Sequence[str]) -> pl.Expr:
    """Of several words, the one that stands first in a list."""
    rank = words.replace_strict(list(order), list(range(len(order))), default=len(order), return_dtype=pl.Int32)
    return words.sort_by(rank).drop_nulls().first()


def _united(values: pl.Series, kind: pa.DataType) -> pa.Array:
    """Several lists or maps of each row as one, without repetitions; different texts of one name are joined."""
    united: list[Any] = []
    for row in values.to_list():
        if pa.types.is_list(kind):
            united.append(list(dict.fromkeys(item for one in row for item in one)) or None)
            continue
        entries: dict[str, dict[str, None]] = {}
        for one in row:
            pairs = one.items() if isinstance(one, dict) else ((entry["key"], entry["value"]) for entry in one)
            for name, text in pairs:
                entries.setdefault(name, {})[text] = None
        united.append(sorted((name, ", ".join(texts)) for name, texts in entries.items()) or None)
    return pa.array(united, kind)


def _key_hashes(texts: pa.Array) -> keys.Hashes:
    return hash128([to_ids(texts, floats=True)])[1]
