"""Performs the second reading of a file: converts raw batches into rows of the table, and collects refused values.

`loading.py` drives it, with the `Plan` that the first reading (`inspection.py`) made.
"""

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

WHOLE_ROW = "*"  # stands for the column's name where a whole row is refused
_USUAL = ColumnFormat()
_PRICES = ("price", "sale_price", "unit_price", "sales_value", "total")


@dataclass(frozen=True)
class Misfits:
    """The values of one column in one batch that were refused for the same reason; the load lists them as rejects.

    Attributes:
        file: Name of the file.
        column: The table's column; `*` if whole rows were refused.
        reason: Why they were refused, such as `not_a_number`.
        rows: Row numbers in the file, from 1, int64 [n].
        lines: Lines of the file in which the rows begin, int64 [n]; None if the format has no lines.
        values: The values as written in the file, at most 80 characters, [n]; None for customers' text and whole rows.
        loaded: True if the column is optional, so that the rows were loaded with null in place of the value.
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
    """Running counts over the batches converted so far; `LoadReport` is made from them.

    Attributes:
        read: Rows of the file.
        rejected: Rows that were refused.
        skipped: Rows that the preset leaves out.
        emptied: Values that were refused in an optional column, and were loaded as null.
        duplicate_keys: Rows with the key of an earlier row.
        numbered_lines: Rows with the key of an earlier row that were told apart from it by the column `line_number`.
        computed_sales: Rows whose `sales_value` was computed.
        without_currency: Rows with an amount and no currency.
        cancelled: Rows of orders that are cancelled.
        reasons: "column: reason" -> number of values that were refused.
        rounded: Column -> number of values that had more decimals than the column holds.
        stated: Column -> number of values in the file that are not empty.
        unfit: Column -> number of these values that were refused.
        first: The first refused values, at most `SHOWN_REJECTS`.
    """

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
    """Converts raw batches into rows of the table, batch by batch in the order of the file, and counts what happens."""

    def __init__(self, plan: Plan, source: str, translator: Translator | None = None) -> None:
        """Prepare the conversion of one file.

        Args:
            plan: The result of the first reading.
            source: Name of the file, for the column `source`.
            translator: Replaces SKUs and barcodes by product ids; None if the table's rows name no products.
        """
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
        """Return the names of the file's columns that have to be read."""
        preset = self.plan.match.preset
        more = extra_columns(preset) if preset else ()
        return list(dict.fromkeys([*self.plan.match.columns.values(), *self.plan.match.codes, *more]))

    def convert(self, batch: RawBatch) -> tuple[pa.Table, list[Misfits]]:
        """Convert a batch of raw rows into rows of the table.

        Args:
            batch: The raw rows.

        Returns:
            A table of rows with all columns of the table, and the values that were refused. If rows with the same key
            are merged, rows that have to wait for later rows with their key are returned by a later call (see
            `Merger`).

        Raises:
            UserError: A column that `--map auto` took for the text holds only numbers.
        """
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
        """Convert all columns of a batch.

        Returns:
            A dict from the names of the table's columns to their values [n]; a mask of the rows in which a required
            value is missing or was refused; and a tuple (column, reason, mask of the rows, raw values) for each reason
            for which values of a column were refused.
        """
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
            faulty = int(np.count_nonzero(converted.refused))  # refused values are null by now
            self.counts.unfit[target] += faulty
            self.counts.stated[target] += faulty + count - converted.values.null_count
        self._complete(batch, columns, filled)
        return columns, bad, misfits

    def _prepared(self, target: str, raw: Any) -> Any:
        """Return a column's raw values after the clean-up that the preset asks for.

        What is done depends on the exporting system. The first of these that the preset names for the column is done:
        reduce a list of category paths to the deepest one, remove WordPress markup, or translate the export's words
        into ours (`Preset.values`).

        Args:
            target: The table's column.
            raw: The values, [n].
        """
        preset = self.plan.match.preset
        if preset is not None and target in preset.deepest:
            return shop_values.deepest_path(raw, preset.deepest[target])
        if preset is not None and target in preset.wordpress:
            return shop_values.without_marks(raw)
        return shaping.reworded(raw, self._words.get(target, {}))

    def _count(self, columns: dict[str, pa.Array]) -> None:
        """Count the loaded rows that the user should know about: amounts without a currency, and cancelled orders."""
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
        """Set the column `currency` from raw amounts such as `15.00 USD`, unless the file has such a column."""
        if "currency" in self.plan.match.columns or not isinstance(raw, pa.Array) or not is_text(raw.type):
            return
        codes = currencies(to_words(raw, "numbers")[0]).to_arrow().cast(pa.string())
        columns["currency"] = pc.coalesce(columns["currency"], codes) if "currency" in columns else codes

    def _complete(self, batch: RawBatch, columns: dict[str, pa.Array], filled: dict[str, pa.Array]) -> None:
        """Add the computed and constant columns of the table to `columns`; columns without a source become null.

        Added are the user's and the preset's constants, `availability` from stock columns, product codes, attributes,
        and `sales_value`. If `sale_price` holds a crossed-out price, it is exchanged with `price` where needed.

        Args:
            batch: The raw rows.
            columns: The converted columns, [n] each.
            filled: Raw columns whose blank cells were filled from the row before, [n] each.
        """
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
        """Return the converted columns as rows of the table, with keys and product ids set.

        If the table merges rows with the same key, rows that wait for further rows with their key are kept back for a
        later call.
        """
        if count:
            if self.plan.match.makes_key:  # before translation: keys must not depend on product codes
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
        """Set the key column if the file lacks it, or else count the rows that repeat the key of an earlier row.

        The key is made from the row's content. If the file lacks only the part `line_number` of the key, rows are
        numbered. Repeated keys of rows that are merged are not counted.
        """
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
        """Return the rows that the reader could not split or parse, grouped by reason."""
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
        """Return the values of one column that were refused for one reason, and count those that are loaded as null.

        Args:
            batch: The raw rows.
            target: The table's column.
            reason: The reason.
            rows: Mask of the rows whose value was refused.
            raw: The raw values of the column, [n].
            bad: Mask of the rows that are refused as a whole.
            skipped: Mask of the rows that the preset leaves out; they are not part of the result.
        """
        chosen = rows & ~skipped
        column = self._by_name.get(target)
        hidden = column is not None and column.free_text
        shown = [None] * int(np.count_nonzero(chosen)) if hidden else values.show(raw, chosen)
        lines = None if batch.lines is None else batch.lines[chosen]
        required = target in self._required
        self.counts.emptied += 0 if required else int(np.count_nonzero(chosen & ~bad))
        return Misfits(batch.file, target, reason, batch.rows[chosen], lines, shown, not required)

    def _note(self, misfits: Sequence[Misfits]) -> None:
        """Count refused values by column and reason, and remember the first ones for the report."""
        for found in misfits:
            name = "row" if found.column == WHOLE_ROW else found.column
            self.counts.reasons[f"{name}: {found.reason}"] += len(found.rows)
            for i in range(min(len(found.rows), SHOWN_REJECTS - len(self.counts.first))):
                line = None if found.lines is None else int(found.lines[i])
                row = int(found.rows[i])
                self.counts.first.append(Reject(found.file, row, line, found.column, found.reason, found.values[i]))

    @property
    def unpublished(self) -> int:
        """The number of rows left out because the shop does not offer the product (draft, hidden, archived)."""
        return self._skipping.hidden.total()

    def notes(self) -> list[str]:
        """Return a line for the user for each thing that was changed, added or left out during the conversion."""
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
