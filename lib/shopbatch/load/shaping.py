"""Brings the rows of an export into the shape of the table, before and after their values are converted.

Before the conversion, cells that only the first row of an order states are filled (`Carry`). After it, attributes are
built from pairs of columns, amounts are computed, the lines of an order are numbered, and several rows of one product
are merged (`Merger`). `inspection.py` and `batches.py` use this module.
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
    """Return raw cells as strings [n], to read names from them or compare them, before any conversion.

    They are trimmed; blank cells and words for null ("NULL", "N/A") are null, and `17850.0` is "17850".

    Args:
        raw: The cells of one column, as an Arrow array or as Python values.
    """
    if not isinstance(raw, pa.Array):
        raw = pa.array([None if v is None else str(v).encode("utf-8", "surrogatepass") for v in raw], pa.binary())
    return to_ids(without_null_words(to_text(raw).values), floats=True)


def reworded(raw: pa.Array | Sequence[Any], words: Mapping[str, str]) -> pa.Array | Sequence[Any]:
    """Translate words that only this export uses into the words of our table (`Preset.values`); other values stay.

    Args:
        raw: The values of one column, [n].
        words: The export's word, in any case -> our word. If it is empty, `raw` is returned.
    """
    if not words:
        return raw
    cells = pl.Series(pl.from_arrow(text_cells(raw))).cast(pl.String)
    known = {word.casefold(): meaning for word, meaning in words.items()}
    return cells.str.to_lowercase().replace_strict(known, default=cells).to_arrow().cast(pa.string())


@dataclass
class Carry:
    """Fills blank cells from the row before, as long as consecutive rows belong together (the lines of one order).

    It remembers the last row, so that the first rows of the next batch are filled, too.

    Attributes:
        columns: The file's columns to fill.
        by: The file's column that is equal in rows that belong together, such as the order's number.
    """

    columns: Sequence[str]
    by: str
    _last: dict[str, str | None] = field(default_factory=dict)

    def fill(self, batch: RawBatch) -> dict[str, pa.Array]:
        """Return the columns of a batch by name, string [n], with blank cells filled."""
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
    """Return the product attributes that pairs of columns hold (Shopify: `Option1 Name` = Size, `Option1 Value` = M).

    Args:
        batch: The rows, [n].
        preset: Names the pairs of columns (`pairs`), and placeholder values that are ignored (`ignored_values`).
        filled: Column name -> its values after `Carry.fill`, [n], for the columns that were filled.

    Returns:
        Name of the attribute, in lower case -> its values, string [n]; null in rows that lack it.
    """
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
    """Compute the amount of each row as quantity x unit_price - retail_discount, in the type MONEY [n].

    It fills `sales_value` if the file has no column for it. The result is null where quantity or price is null, or
    where the amount is too large for the type; a missing discount is 0.

    Args:
        columns: The converted columns, [n] each, with `quantity`, `unit_price` and `retail_discount`.
    """
    quantity = columns["quantity"].cast(pa.decimal128(19, 0))
    gross = pc.multiply(quantity, columns["unit_price"])
    discount = pc.fill_null(columns["retail_discount"].cast(gross.type), 0)
    # the discount is positive even if the line is a return (a negative quantity)
    signed = pc.if_else(pc.less(columns["quantity"], 0), pc.negate(discount), discount)
    net = pc.round(pc.subtract(gross, signed), MONEY.scale, round_mode="half_towards_infinity")
    fits = pc.less(pc.abs(net), 10 ** (MONEY.precision - MONEY.scale))
    return pc.if_else(fits, net, None).cast(MONEY)


def number_lines(columns: dict[str, pa.Array], key: Sequence[str], seen: keys.Occurrences) -> tuple[pa.Array, int]:
    """Number the rows that have the same key, from 1 in the order of the file, so that the number completes their key.

    It fills the column `line_number` of order lines, which may repeat a product, if the file has no such column.

    Args:
        columns: The converted columns, [n] each.
        key: Names of the other key columns, such as basket and product.
        seen: Counts of the key hashes of the file's earlier rows; these rows are added to them.

    Returns:
        The numbers, int64 [n], and how many of them are greater than 1.
    """
    _, low = hash128([columns[name] for name in key])
    earlier = seen.count(low)
    return pa.array(earlier + 1, pa.int64()), int(np.count_nonzero(earlier))


class Merger:
    """Merges the rows of a file that have the same key into one row; in each column the last non-null value is kept.

    The preset may choose another value (`Preset.first`, `together`, `best`). In the first reading, `count` and
    `counted` count the rows of each key. In the second reading, `take` merges the rows of a key as soon as it has all
    of them, so that only rows of incomplete keys wait in memory, and `rest` merges those still waiting at the end.

    Attributes:
        table: The table that is loaded.
        merged: Number of rows that disappeared by merging.
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
        """Count the keys of some rows, in the first reading.

        Args:
            texts: The keys as they are written, string [n].
        """
        self._hashes.append(_key_hashes(texts))

    def counted(self) -> None:
        """End the first reading: remember which keys have several rows, and how many."""
        distinct, counts = np.unique(np.concatenate([*self._hashes, np.empty(0, np.uint64)]), return_counts=True)
        self._repeated = distinct[counts > 1]
        self._counts = dict(zip(self._repeated.tolist(), counts[counts > 1].tolist(), strict=True))
        self._hashes.clear()

    def take(self, rows: pa.Table) -> pa.Table:
        """Take converted rows in the second reading, and return the rows that no later row can change.

        These are rows whose key occurs only once in the file, and a merged row for each key whose last row has now
        come.
        """
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
        """Return the rows that still wait at the end of the file, merged; None if there are none.

        They wait because other rows of their keys were refused, so that their keys never became complete.
        """
        held, self._waiting = self._waiting, None
        return None if held is None or not held.num_rows else self._merge(held)

    def _state(self, name: str) -> pl.Expr:
        """Return the Polars expression that merges the values of one column in the rows of a key.

        It takes the last non-null value, unless the preset names the column in `best`, `together` or `first`.
        """
        values = pl.col(name)
        if name in self._best:
            return _best(values, self._best[name])
        if name in self._together:
            return values.filter(pl.col(self._together[name]).is_not_null()).first()
        return values.drop_nulls().first() if name in self._first else values.drop_nulls().last()

    def _merge(self, rows: pa.Table) -> pa.Table:
        """Merge the rows of each key, ordered by `Table.latest_by` and then as in the file.

        Of each column, the last non-null value in this order is kept (see `_state`); lists and maps are united.
        """
        if not rows.num_rows:
            return rows
        key, order = self.table.key[0], self.table.latest_by
        frame = pl.DataFrame(pl.from_arrow(rows)).with_row_index("#row")
        if order is not None:
            frame = frame.sort(order, "#row")  # nulls sort first, so rows with a timestamp win
        nested = [f.name for f in rows.schema if pa.types.is_map(f.type) or pa.types.is_list(f.type)]
        states = [self._state(n) for n in rows.schema.names if n != key and n not in nested]
        gathered = [pl.col(n).drop_nulls() for n in nested]
        merged = frame.group_by(key, maintain_order=True).agg(pl.col("#row").first(), *states, *gathered).sort("#row")
        columns = {f.name: _united(merged[f.name], f.type) for f in rows.schema if f.name in nested}
        columns |= {f.name: merged[f.name].to_arrow().cast(f.type) for f in rows.schema if f.name not in nested}
        self.merged += rows.num_rows - merged.height
        return pa.table({f.name: columns[f.name] for f in rows.schema}, schema=rows.schema)


def _best(words: pl.Expr, order: Sequence[str]) -> pl.Expr:
    """Return the Polars expression that picks, from the values of several rows, the one that comes first in `order`."""
    rank = words.replace_strict(list(order), list(range(len(order))), default=len(order), return_dtype=pl.Int32)
    return words.sort_by(rank).drop_nulls().first()


def _united(values: pl.Series, kind: pa.DataType) -> pa.Array:
    """Unite the lists or maps of the merged rows of each key.

    Args:
        values: For each key, the lists or maps of its rows.
        kind: The Arrow type of one list or map.

    Returns:
        One list or map for each key, without repetitions; different texts of one name are joined by ", ".
    """
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
    """Return the 64-bit hashes of keys, uint64 [n]; `17850.0` is the same key as `17850`."""
    return hash128([to_ids(texts, floats=True)])[1]
