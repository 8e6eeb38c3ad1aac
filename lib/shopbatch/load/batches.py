"""The second reading of a file: turns its batches into rows of a table, and lists every value that does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load import keys, shaping, shop_values, values
from shopbatch.load.column_formats import ColumnFormat
from shopbatch.load.conversion import Mask
from shopbatch.load.inspection import Plan
from shopbatch.load.match import refuse_numbers
from shopbatch.load.nested_values import join_maps
from shopbatch.load.number_values import currencies
from shopbatch.load.presets import ATTRIBUTE, extra_columns
from shopbatch.load.raw import RawBatch
from shopbatch.load.report import SHOWN_REJECTS, Reject
from shopbatch.load.skipping import Skipping
from shopbatch.load.text_values import is_text, to_words
from shopbatch.load.translation import Translator
from shopbatch.tables.products import CODES
from shopbatch.tables.schema import Column

WHOLE_ROW = "*"  # in place of a column's name, where a whole row is refused
_USUAL = ColumnFormat()
_PRICES = ("price", "sale_price", "unit_price", "sales_value", "total")


@dataclass(frozen=True)
class Misfits:
    """Values of one column, or rows, that do not fit for one reason.

    rows: row numbers, int64 [n]. lines: their lines, int64 [n]; None if the file has none. values: as the file has
    them, [n]. loaded: whether the rows were loaded without the value.
    """

    file: str
    column: str
    reason: str
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64] | None
    values: Sequence[str | None]
    loaded: bool


@dataclass
class Counts:
    """What was read so far; see `LoadReport`."""

    read: int = 0
    rejected: int = 0
    skipped: int = 0
    emptied: int = 0
    duplicate_keys: int = 0
    numbered_lines: int = 0
    computed_sales: int = 0
    without_currency: int = 0
    cancelled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rounded: Counter[str] = field(default_factory=Counter)
    stated: Counter[str] = field(default_factory=Counter)
    unfit: Counter[str] = field(default_factory=Counter)
    first: list[Reject] = field(default_factory=list)


class Converter:
    """Turns raw batches into rows of the table. translator: gives them the ids of their products, if they name any."""

    def __init__(self, plan: Plan, source: str, translator: Translator | None = None) -> None:
        self.plan, self.table, self.source, self.translator = plan, plan.table, source, translator
        self.counts = Counts()
        self._by_name = {c.name: c for c in self.table.columns}
        not_null = (c.name for c in self.table.columns if not c.nullable)
        self._required = {*self.table.must_have, *not_null}
        preset = plan.match.preset
        grouped_by = plan.match.columns.get(preset.carry_by) if preset and preset.carry_by else None
        self._words = preset.values if preset else {}
        self._carry = shaping.Carry(preset.carry, grouped_by) if preset and grouped_by else None
        self._skipping = Skipping(preset, plan.match.columns)
        self._seen_content, self._seen_keys = keys.Occurrences(), keys.Occurrences()

    def wanted(self) -> list[str]:
        """The file's columns that are read."""
        preset = self.plan.match.preset
        more = extra_columns(preset) if preset else ()
        return list(dict.fromkeys([*self.plan.match.columns.values(), *self.plan.match.codes, *more]))

    def convert(self, batch: RawBatch) -> tuple[pa.Table, list[Misfits]]:
        """Return the rows of a batch that fit, and what does not fit."""
        if not self.counts.read:
            refuse_numbers(self.plan.match, batch)
        self.counts.read += len(batch.rows) + len(batch.broken)
        misfits = self._broken(batch)
        columns, bad, of_values = self._columns(batch)
        skipped = self._skipping.rows(batch)
        misfits += [m for m in (self._misfits(batch, *one, bad, skipped) for one in of_values) if len(m.rows)]
        self.counts.skipped += int(np.count_nonzero(skipped))
        self.counts.rejected += len(batch.broken) + int(np.count_nonzero(bad & ~skipped))
        self._note(misfits)
        keep = ~bad & ~skipped
        if not keep.all():
            columns = {name: column.filter(pa.array(keep)) for name, column in columns.items()}
        self._count(columns)
        return self._rows(columns, int(np.count_nonzero(keep))), misfits

    def _columns(self, batch: RawBatch) -> tuple[dict[str, pa.Array], Mask, list[tuple[str, str, Mask, Any]]]:
        """All columns [n], which rows lack what they must have, and (column, reason, rows, raw values) of misfits."""
        count = len(batch.rows)
        filled = self._carry.fill(batch) if self._carry else {}
        columns: dict[str, pa.Array] = {}
        bad, misfits = np.zeros(count, bool), []
        for target, source in self.plan.match.columns.items():
            raw = filled[source] if source in filled else batch.get(source)
            raw = self._prepared(target, raw)
            column = self._by_name.get(target) or Column(target, pa.string(), "")
            key = target in self.table.needed_key
            converted = values.convert(column, raw, key, self.plan.formats.get(target, _USUAL))
            columns[target] = converted.values
            for reason, rows in converted.faults.items():
                misfits.append((target, reason, rows, raw))
                if target in self._required:
                    bad |= rows
            if target in _PRICES:
                self._add_currency(columns, raw)
            if converted.rounded is not None:
                self.counts.rounded[target] += int(np.count_nonzero(converted.rounded))
            faulty = int(np.count_nonzero(converted.refused))  # their values are null
            self.counts.unfit[target] += faulty
            self.counts.stated[target] += faulty + count - converted.values.null_count
        self._complete(batch, columns, filled)
        return columns, bad, misfits

    def _prepared(self, target: str, raw: Any) -> Any:
        """The values of a column, without what only the system of the export writes."""
        preset = self.plan.match.preset
        if preset is not None and target in preset.deepest:
            return shop_values.deepest_path(raw, preset.deepest[target])
        if preset is not None and target in preset.wordpress:
            return shop_values.without_marks(raw)
        return shaping.reworded(raw, self._words.get(target, {}))

    def _count(self, columns: dict[str, pa.Array]) -> None:
        """Count what the user should know of the rows that fit."""
        if "currency" in self._by_name:
            amounts = [columns[name].is_valid() for name in _PRICES if name in columns]
            for valid in amounts[:1]:
                any_amount = reduce(pc.or_, amounts[1:], valid)
                without = pc.and_(any_amount, columns["currency"].is_null())
                self.counts.without_currency += int(pc.sum(without).as_py() or 0)
        if self.table.name == "transactions":
            cancelled = pc.equal(columns["order_status"], "cancelled")
            self.counts.cancelled += int(pc.sum(cancelled).as_py() or 0)

    def _add_currency(self, columns: dict[str, pa.Array], raw: Any) -> None:
        """Take the currency from amounts such as `15.00 USD`, where the file has no column for it."""
        if "currency" in self.plan.match.columns or not isinstance(raw, pa.Array) or not is_text(raw.type):
            return
        codes = currencies(to_words(raw, "numbers")[0]).to_arrow().cast(pa.string())
        columns["currency"] = pc.coalesce(columns["currency"], codes) if "currency" in columns else codes

    def _complete(self, batch: RawBatch, columns: dict[str, pa.Array], filled: dict[str, pa.Array]) -> None:
        """Add what does not stand in a column of its own: constants, attributes, sales, and the source."""
        count, preset = len(batch.rows), self.plan.match.preset
        for name, text in self.plan.match.constants.items():
            written = ColumnFormat(table=self.table.name)
            constant = values.convert(self._by_name[name], pa.repeat(text, count), False, written).values
            columns[name] = pc.coalesce(columns[name], constant) if name in columns else constant
        if preset and preset.stock and "availability" not in columns:
            columns["availability"] = shop_values.availability(batch, preset.stock)
        if preset and shop_values.compares(preset, self.plan.match.columns):
            shop_values.exchange_prices(columns)
        if CODES in self._by_name:
            lists = preset.code_lists if preset else {}
            columns[CODES] = shop_values.codes(
                batch, self.plan.match.codes, lists, columns["product_id"], columns.get(CODES)
            )
        entries = {t.removeprefix(ATTRIBUTE): columns.pop(t) for t in list(columns) if t.startswith(ATTRIBUTE)}
        if preset and preset.pairs:
            entries = shaping.attributes_of_pairs(batch, preset, filled) | entries
        if entries:
            columns["attributes"] = join_maps(columns.get("attributes"), entries, count)
        computes = {"unit_price", "quantity"} <= columns.keys() and "sales_value" in {*self._by_name} - columns.keys()
        for column in self.table.columns:
            if column.name not in columns:
                columns[column.name] = pa.nulls(count, column.type)
        if computes:
            columns["sales_value"] = shaping.compute_sales(columns)
            self.counts.computed_sales += count - columns["sales_value"].null_count

    def _rows(self, columns: dict[str, pa.Array], count: int) -> pa.Table:
        if count:
            if self.plan.match.makes_key:  # of what the file states, so that it is the same whatever is translated
                self._give_keys(columns)
            if self.translator is not None:
                self.translator.translate(columns)
            if not self.plan.match.makes_key:
                self._give_keys(columns)
            if "source" in columns and "source" not in self.plan.match.columns:
                columns["source"] = pa.repeat(self.source, count)
        rows = self.table.fill(count, **columns)
        return rows if self.plan.merger is None else self.plan.merger.take(rows)

    def _give_keys(self, columns: dict[str, pa.Array]) -> None:
        if self.plan.match.makes_key:
            content = {n: columns[n] for n in self.plan.match.columns if n != "source" and n in columns}
            columns[self.table.key[0]] = keys.from_content(content, self._seen_content)
        elif "line_number" in self.table.key and "line_number" not in self.plan.match.columns:
            lines, repeated = shaping.number_lines(columns, self.table.needed_key, self._seen_keys)
            columns["line_number"] = lines.cast(self._by_name["line_number"].type)
            self.counts.numbered_lines += repeated
        elif self.plan.merger is None:
            key = [columns[k] for k in self.table.key]
            self.counts.duplicate_keys += keys.count_repeated(key, self._seen_keys)

    def _broken(self, batch: RawBatch) -> list[Misfits]:
        """The rows that could not be read, by reason."""
        found = []
        for reason in dict.fromkeys(why for _, _, why in batch.broken):
            numbers = [(row, line) for row, line, why in batch.broken if why == reason]
            rows = np.array([row for row, _ in numbers], np.int64)
            lines = None if numbers[0][1] is None else np.array([line for _, line in numbers], np.int64)
            found.append(Misfits(batch.file, WHOLE_ROW, reason, rows, lines, [None] * len(rows), False))
        return found

    def _misfits(
        self, batch: RawBatch, target: str, reason: str, rows: Mask, raw: Any, bad: Mask, skipped: Mask
    ) -> Misfits:
        chosen = rows & ~skipped
        column = self._by_name.get(target)
        hidden = column is not None and column.free_text
        shown = [None] * int(np.count_nonzero(chosen)) if hidden else values.show(raw, chosen)
        lines = None if batch.lines is None else batch.lines[chosen]
        required = target in self._required
        self.counts.emptied += 0 if required else int(np.count_nonzero(chosen & ~bad))
        return Misfits(batch.file, target, reason, batch.rows[chosen], lines, shown, not required)

    def _note(self, misfits: Sequence[Misfits]) -> None:
        for found in misfits:
            name = "row" if found.column == WHOLE_ROW else found.column
            self.counts.reasons[f"{name}: {found.reason}"] += len(found.rows)
            for i in range(min(len(found.rows), SHOWN_REJECTS - len(self.counts.first))):
                line = None if found.lines is None else int(found.lines[i])
                row = int(found.rows[i])
                self.counts.first.append(Reject(found.file, row, line, found.column, found.reason, found.values[i]))

    @property
    def unpublished(self) -> int:
        """How many of the rows that are left out are of goods that the shop does not offer."""
        return self._skipping.hidden.total()

    def notes(self) -> list[str]:
        """Say what was changed or added, a line each."""
        counts = self.counts
        lines = [
            f"{name}: {count:,} value(s) have more decimals than the column holds and were rounded"
            for name, count in counts.rounded.items()
            if count
        ]
        lines += self._skipping.notes()
        if self.plan.match.codes:
            names = ", ".join(self.plan.match.codes)
            lines.append(f"codes: {names} (orders may name products by them; --map codes= leaves them out)")
        lines += self.translator.notes() if self.translator else []
        if counts.without_currency:
            what = f"{counts.without_currency:,} rows have an amount and no currency"
            lines.append(f"currency: {what}; if all amounts are in one, say it with --set currency=USD")
        if counts.cancelled:
            what = f"{counts.cancelled:,} rows are cancelled or not paid yet (pending) and count as nothing"
            lines.append(f"order_status: {what} until a later export says more")
        if counts.computed_sales:
            lines.append("sales_value: computed as quantity x unit_price - retail_discount")
        if counts.numbered_lines:
            lines.append(
                f"{counts.numbered_lines:,} rows repeat {' and '.join(self.table.needed_key)} of an earlier row: each "
                "counts, as a line of its own (line_number)"
            )
        return lines
