"""The report of one load of a file: counts, refused values and notes, as text for users and JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

SHOWN_REJECTS = 5


@dataclass(frozen=True)
class Reject:
    """One value, or one whole row, of a file that does not fit the table.

    Attributes:
        file: Name of the file.
        row: Row number in the file, from 1.
        line: Line of the file in which the row begins, from 1; None if the format has no lines.
        column: The table's column; `*` if the whole row does not fit.
        reason: Why it does not fit, such as `not_a_number`.
        value: The value, at most 80 characters; None for text that customers wrote, and for whole rows.
    """

    file: str
    row: int
    line: int | None
    column: str
    reason: str
    value: str | None

    def __str__(self) -> str:
        place = f"{self.file} line {self.line:,}" if self.line else f"{self.file} row {self.row:,}"
        value = "" if self.value is None else f" {self.value!r}"
        return f"{place}: {'row' if self.column == '*' else self.column}{value} {self.reason}"


@dataclass(frozen=True)
class LoadReport:
    """The result of one load; rows_read = rows_loaded + rows_rejected + rows_merged + rows_skipped.

    Attributes:
        table: Name of the table that was loaded.
        file: Name of the file, folder or query.
        mode: `append` or `replace`.
        load_id: 32 hex digits that identify the content of the file, the table and the options.
        columns: The table's column -> the file's column.
        ignored: Columns of the file that match no column of the table.
        makes_key: Whether keys were made from the content of the rows, because the file has none.
        proposed: The table's column -> a column of the file that may be meant and was not taken.
        system: The system whose preset was used, such as `shopify`; "" for none.
        notes: What was recognised or changed, a line each.
        rows_read: Rows of the file.
        rows_rejected: Rows that were refused.
        rows_merged: Rows that were merged into another row of the same key.
        rows_skipped: Rows that the preset leaves out (translations, totals, products that are not for sale).
        rows_unpublished: Those of the skipped rows that are left out because the product is not for sale.
        values_emptied: Values that do not fit an optional column, and were loaded as null.
        products_translated: Rows that name a product by a SKU or barcode, which was replaced by the product's id.
        products_ambiguous: Rows that name a product by a code that several products have; the code was left in place.
        reasons: "column: reason" -> number of values that do not fit; a row may have several.
        rejects: The first values that do not fit, at most `SHOWN_REJECTS`.
        duplicate_keys: Rows with the key of an earlier row of the file; jobs use the latest of such rows.
        seconds: Duration of the load.
        version: Version of the table that holds the rows; -1 if nothing was committed.
        already: Whether nothing was done, because the same file was loaded before.
        dry_run: Whether nothing was written, because the user asked for a dry run.
        beside_sample: Whether the table also holds rows of a built-in sample.
    """

    table: str
    file: str
    mode: str
    load_id: str
    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    makes_key: bool
    proposed: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    notes: tuple[str, ...] = ()
    rows_read: int = 0
    rows_rejected: int = 0
    rows_merged: int = 0
    rows_skipped: int = 0
    rows_unpublished: int = 0
    values_emptied: int = 0
    products_translated: int = 0
    products_ambiguous: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()
    duplicate_keys: int = 0
    seconds: float = 0.0
    version: int = -1
    already: bool = False
    dry_run: bool = False
    beside_sample: bool = False

    @property
    def rows_loaded(self) -> int:
        """The number of rows that this load added to the table; 0 if the file was loaded before."""
        return 0 if self.already else self.rows_read - self.rows_rejected - self.rows_merged - self.rows_skipped

    def committed(self, version: int, beside_sample: bool) -> LoadReport:
        """Return a copy of the report for a load whose rows were committed.

        Args:
            version: The table's version with the rows.
            beside_sample: Whether the table also holds rows of a built-in sample.
        """
        return replace(self, version=version, beside_sample=beside_sample)

    def loaded_before(self, version: int) -> LoadReport:
        """Return a copy of the report that says that this version of the table already held the rows."""
        return replace(self, version=version, already=True)

    def counts(self) -> dict[str, int]:
        """Return the row counts by name, which the load stores in the metadata of its commit."""
        names = ("rows_read", "rows_loaded", "rows_rejected", "rows_merged", "rows_skipped", "values_emptied")
        return {name: getattr(self, name) for name in names}

    def explain(self) -> str:
        """Return each reason for refused values with its count, most frequent first ("3 price: not_a_number")."""
        by_count = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {reason}" for reason, count in by_count) or "it holds no rows"

    def first_rejects(self) -> str:
        """Return one line that lists the first refused values with file, line, column and reason."""
        return "; ".join(map(str, self.rejects))

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and `rows_loaded` as a dictionary for JSON; `seconds` has three decimals."""
        return {**asdict(self), "rows_loaded": self.rows_loaded, "seconds": round(self.seconds, 3)}

    def lines(self) -> list[str]:
        """Return the report as lines of text for the terminal."""
        matched = ", ".join(t if t == s else f"{t}={s!r}" for t, s in self.columns.items())
        lines = [f"read as an export of {self.system} (--preset csv: as a plain file)"] if self.system else []
        lines.append(f"columns: {matched}")
        if self.ignored:
            lines.append(f"ignored columns of the file: {', '.join(n or '(unnamed)' for n in self.ignored)}")
        if self.proposed:
            guesses = " ".join(f"{target}={source!r}" for target, source in self.proposed.items())
            again = "" if self.dry_run or self.already else "; to load this file again with them, add --replace"
            lines.append(f"NOT taken, but perhaps meant: --map {guesses} (--map auto takes these{again})")
        if self.makes_key:
            lines.append("no key in the file: made from each row's content")
        if self.already:
            lines += self.notes
            lines.append(f"{self.table}: {self.file} was loaded before, nothing done (version {self.version})")
            return lines
        lines += self.notes
        if self.reasons:
            listed = "" if self.dry_run else f" (values and lines: table {self.table}_load_rejects)"
            lines.append(f"do not fit: {self.explain()}{listed}")
            lines += [f"  {reject}" for reject in self.rejects]
        if self.values_emptied:
            lines.append(f"{self.values_emptied:,} values that do not fit were loaded as null")
        if others := self.rows_skipped - self.rows_unpublished:
            lines.append(f"{others:,} rows left out by the preset (translations, totals)")
        if self.rows_merged:
            lines.append(f"{self.rows_merged:,} rows merged into an earlier row of the same key")
        if self.duplicate_keys:
            lines.append(f"{self.duplicate_keys:,} rows repeat the key of an earlier row; jobs take the latest")
        if self.beside_sample:
            lines.append(f"{self.table} also holds sample rows; load with --replace to keep only your own")
        counted = f"{self.table}: {self.rows_loaded:,} of {self.rows_read:,} rows of {self.file}"
        if self.dry_run:
            lines.append(f"{counted} would be loaded ({self.mode}); this was a dry run, nothing was written")
        else:
            lines.append(f"{counted} loaded ({self.mode}, version {self.version}) in {self.seconds:.1f} s")
        return lines
