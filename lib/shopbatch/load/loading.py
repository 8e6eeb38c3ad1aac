"""Loads a user's file or database query into a source table: reads it twice, checks every value, commits once.

The first reading (`inspection.py`) decides what the columns mean and how values are written; the second (`batches.py`)
converts them. Each refused value is listed in the table `<table>_load_rejects`. The same file is loaded only once.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from shopbatch import tables
from shopbatch.core.ahead import ahead
from shopbatch.core.errors import Stopped, UserError, one_line
from shopbatch.core.hashing import CONTENT_HASH
from shopbatch.core.nearest import hint
from shopbatch.core.privacy import mask
from shopbatch.erasure.records import returned
from shopbatch.load.archives import unpacked
from shopbatch.load.batches import Converter, Misfits
from shopbatch.load.beside import with_files_beside
from shopbatch.load.conversion import AMBIGUOUS
from shopbatch.load.formats import UNREADABLE, Input, open_input, unreadable
from shopbatch.load.identity import Mode, load_id, loaded_version, new_run_id, refuse_other_keys, shows
from shopbatch.load.inspection import Plan, inspect
from shopbatch.load.joins import unmatched
from shopbatch.load.match import Match, match
from shopbatch.load.options import Options
from shopbatch.load.product_codes import REFERRING, ProductCodes
from shopbatch.load.report import LoadReport
from shopbatch.load.sink import Sink
from shopbatch.load.translation import Translator
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.policies import POLICIES
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.foreign import put_right, refuse_foreign
from shopbatch.warehouse.store import Snapshot, Store

_FEW = 3  # fewer misfits never stop a load, however large their share of a tiny file is
_USUAL = Options()


def load_file(
    store: Store,
    table: str,
    path: str | Path,
    options: Options = _USUAL,
    mode: Mode = "append",
    dry_run: bool = False,
) -> LoadReport:
    """Load a file, a folder of files, a zip of these, or a Delta table into a source table.

    Memory does not grow with the file, except for 16 bytes per row. A file that was loaded before with the same options
    is not loaded again.

    Args:
        store: The warehouse.
        table: Name of the source table, such as `products`.
        path: The file or folder.
        options: How the user says that the file is to be read; everything else is recognised from its content.
        mode: `append` adds the rows to the table; `replace` replaces all rows of the table by them.
        dry_run: Read and check everything, but write nothing.

    Returns:
        The report: numbers of rows read, loaded and refused; also for a dry run, and for a file that was loaded before
        (`already`).

    Raises:
        UserError: The table or a column is unknown, the file is unreadable, or too many rows were refused.
        Stopped: The disk is full, or an object store does not answer. After any error, no row becomes visible.
    """
    _check_table(table)
    plain = Path(os.path.expanduser(path))
    with (
        unpacked(plain, options.max_unpacked)
        if plain.suffix.lower() == ".zip" and plain.is_file()
        else nullcontext(path) as there
    ):
        opened = open_input(there, options.encoding, options.names, options.max_unpacked)
        return load_input(store, table, with_files_beside(table, opened, options), options, mode, dry_run)


def load_query(
    store: Store,
    table: str,
    uri: str,
    query: str,
    options: Options = _USUAL,
    mode: Mode = "append",
    dry_run: bool = False,
) -> LoadReport:
    """Load the rows that a database query returns into a source table.

    `uri` is the database's address, or `env:NAME` (see `database.open_query`), and `query` one SQL query that returns
    rows. The other arguments, the report and the errors are those of `load_file`.
    """
    from shopbatch.load.database import open_query

    _check_table(table)
    return load_input(store, table, open_query(uri, query), options, mode, dry_run)


def _check_table(table: str) -> None:
    """Raise UserError unless `table` is a source table that is loaded from a file or a query."""
    if table == POLICIES.name:
        raise UserError("policies are loaded from a folder of Markdown files: shopbatch load policies FOLDER")
    if table == PRODUCT_IMAGES.name:
        raise UserError("pictures are loaded from a folder: shopbatch load images FOLDER")
    if table not in tables.SOURCES:
        sources = ", ".join(tables.SOURCES)
        known = f"the source tables are {sources}" if table in tables.TABLES else hint(table, tables.SOURCES)
        raise UserError(f"cannot load into {table!r}: {known}")


def load_input(
    store: Store, table: str, opened: Input, options: Options, mode: Mode = "append", dry_run: bool = False
) -> LoadReport:
    """Load an opened input, such as a query's result, into a table; other arguments as for `load_file`."""
    with _no_collections():
        return _load_rows(store, table, opened, options, mode, dry_run)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Switch off Python's cyclic garbage collector in a block, as it would scan all parsed values again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _load_rows(store: Store, table: str, opened: Input, options: Options, mode: Mode, dry_run: bool) -> LoadReport:
    """Read, check, write and commit the rows of an input; turn errors of the readers into UserError or Stopped."""
    started = time.monotonic()
    try:
        codes = ProductCodes.of(store) if table in REFERRING else None
        load = _Load(store, tables.table(table), opened, options, mode, codes)
        if not dry_run:
            load = replace(load, undone=put_right(store, load_rejects(table)))
            found = loaded_version(store, load.table, load.id, mode, None if codes is None else codes.digest)
            if found is not None:
                said = unmatched(store, table, codes) if codes else []
                return load.report(match(load.table, opened.names, options), said).loaded_before(found)
            load.refuse_other_reading()
            store.check_targets((load.table, load_rejects(table)), mode)
        plan = inspect(load.table, opened, options)
        if plan.match.makes_key and mode == "append":
            refuse_other_keys(store, load.table, opened.title)
        run = _Run(load, plan, dry_run)
        try:
            run.read()
            return run.publish(started)
        finally:
            run.discard()
    except UNREADABLE as error:
        if files.is_full(error) or files.is_lost_connection(error):
            raise Stopped(f"{store.root}: {one_line(error)}; nothing was loaded") from None
        raise unreadable(opened.title, error) from None


@dataclass(frozen=True)
class _Load:
    """The request for one load: the input, the options, and the table to write to."""

    store: Store
    table: Table
    opened: Input
    options: Options
    mode: Mode
    codes: ProductCodes | None = None
    """The SKUs and barcodes by which rows may name products; None if the table does not refer to products."""
    undone: str = ""
    """A note about changes by other programs to the table of rejects that this load undid; "" for none."""

    @property
    def id(self) -> str:
        """The id of the load: 32 hex digits of content, table and options; see `identity.load_id`."""
        return load_id(self.table, self.opened, self.options)

    def refuse_other_reading(self) -> None:
        """Raise UserError if this append repeats an earlier load of the file with other options or an older version."""
        snapshot = self.store.find(self.table.name) if self.mode == "append" else None
        if snapshot is not None and snapshot.files and self.opened.digest in snapshot.metadata.get("inputs", ()):
            raise UserError(
                f"{self.opened.title} was loaded into {self.table.name!r} before, with other options or by an older "
                "version: its rows would stand there twice; add --replace to load the table anew, which removes all "
                "its rows"
            )

    def report(self, matched: Match, notes: Sequence[str] = ()) -> LoadReport:
        """Return a report of this load without counts, which the caller adds."""
        return LoadReport(
            table=self.table.name,
            file=self.opened.name,
            mode=self.mode,
            load_id=self.id,
            columns=dict(matched.columns),
            ignored=matched.ignored,
            makes_key=matched.makes_key,
            proposed=dict(matched.proposed),
            system=matched.system,
            notes=(*filter(None, [self.undone]), *notes),
        )


class _Run:
    """The second reading of one load: converts rows; `rows` and `refused` collect files until the commit."""

    def __init__(self, load: _Load, plan: Plan, dry_run: bool) -> None:
        self.load, self.id, self.store, self.table = load, load.id, load.store, load.table
        self.plan, self.dry_run = plan, dry_run
        before = self.store.find(self.table.name) if load.codes is not None and load.mode == "append" else None
        translator = None if load.codes is None else Translator.of(load.codes, before)
        self.converter = Converter(plan, load.opened.name, translator)
        run_id = new_run_id(self.id)
        self.rows = Sink(self.store, self.table, run_id)
        self.refused = Sink(self.store, load_rejects(self.table.name), run_id)

    def read(self) -> None:
        """Convert and check all rows of the input; unless it is a dry run, write rows and rejects to data files."""
        batches = ahead(self.load.opened.batches(self.converter.wanted()))
        for rows, misfits in ahead(map(self.converter.convert, batches)):
            if not self.dry_run:
                self.rows.add(rows)
                self._refuse(misfits)
        merger = self.plan.merger
        if merger is not None and (rest := merger.rest()) is not None and not self.dry_run:
            self.rows.add(rest)
        self.rows.flush()
        self.refused.flush()

    def _refuse(self, misfits: list[Misfits]) -> None:
        """Add a row to the table of rejects for each value that does not fit."""
        parts = []
        for found in misfits:
            count = len(found.rows)
            stated = {"source_file": found.file, "column": found.column, "reason": found.reason, "load_id": self.id}
            cells = {name: pa.repeat(text, count) for name, text in stated.items()}
            cells |= {"source_row": pa.array(found.rows, pa.int64()), "value": pa.array(found.values, pa.string())}
            if found.lines is not None:
                cells["source_line"] = pa.array(found.lines, pa.int64())
            cells["row_loaded"] = pa.repeat(found.loaded, count)
            parts.append(self.refused.table.fill(count, **cells))
        if parts:
            self.refused.add(pa.concat_tables(parts).sort_by("source_row"))

    def publish(self, started: float) -> LoadReport:
        """Commit the rejects, then the rows; return the report. `started`: start of the load (`time.monotonic`).

        Raises:
            UserError: The input changed while it was read, it has no rows, or too many rows were refused.
        """
        title, mode = self.load.opened.title, self.load.mode
        if not self.load.opened.unchanged():
            raise UserError(f"{title}: the file changed while it was read; nothing was loaded")
        report = self._report(started)
        if not report.rows_read and not self.load.opened.label:
            raise UserError(f"{title}: it holds no rows (a header alone, or nothing); nothing was loaded")
        if self.dry_run:
            return self._foretold(report)
        self._check_share(report)
        before = self.store.find(self.table.name) if mode == "append" else None
        beside_sample = before is not None and bool(before.files) and "sample" in before.metadata
        useless = not self.rows.written and (mode == "replace" or report.rows_read > 0)
        if not (useless and mode == "replace"):  # a failed replace keeps the table, so also its list of rejects
            self._publish_rejects()
        if useless:
            raise UserError(f"{title}: no row fits table {self.table.name!r} ({report.explain()}); nothing was loaded")
        try:
            version = self.store.commit(
                self.table,
                self.rows.written,
                mode=mode,
                run_key=f"load/{self.id}",
                metadata={
                    "loads": [self.id],
                    "inputs": [self.load.opened.digest],
                    "source": mask(self.load.opened.name),
                    "content_keys": CONTENT_HASH,
                    "product_codes": self.load.codes.digest if self.load.codes else "",
                    **report.counts(),
                },
                guard=self._refuse_second_load,
            )
        except _LoadedMeanwhileError as error:
            return report.loaded_before(error.version)
        if back := returned(self.store, self.table.name, [file.path for file in self.rows.written]):
            what = "1 row is of an erased person" if back == 1 else f"{back:,} rows are of erased persons"
            report = replace(report, notes=(*report.notes, f"{what}: erase them again, unless they are customers anew"))
        self.rows.written.clear()
        of_ids = unmatched(self.store, self.table.name, self.load.codes)
        report = replace(report, notes=(*report.notes, *self._of_the_table(before), *of_ids))
        return report.committed(version, beside_sample)

    def _of_the_table(self, before: Snapshot | None) -> list[str]:
        """Return a note, if it applies, that an append removed no rows: those missing in a newer export stay.

        It applies to tables of whole exports (`Table.merge_rows`, such as `products`) that hold rows of earlier loads.
        """
        if before is None or not before.files or "sample" in before.metadata or not self.table.merge_rows:
            return []
        name = self.table.name
        return [f"added to the {name} that were there: what is gone from the export stays (--replace takes it out)"]

    def _report(self, started: float) -> LoadReport:
        """Return the report of this load with all its counts."""
        counts, merger, translator = self.converter.counts, self.plan.merger, self.converter.translator
        report = self.load.report(self.plan.match, (*self.plan.notes, *self.converter.notes()))
        return replace(
            report,
            rows_read=counts.read,
            rows_rejected=counts.rejected,
            rows_merged=merger.merged if merger else 0,
            rows_skipped=counts.skipped,
            rows_unpublished=self.converter.unpublished,
            values_emptied=counts.emptied,
            products_translated=translator.translated if translator else 0,
            products_ambiguous=translator.ambiguous if translator else 0,
            reasons=dict(counts.reasons),
            rejects=tuple(counts.first),
            duplicate_keys=counts.duplicate_keys,
            seconds=time.monotonic() - started,
        )

    def _foretold(self, report: LoadReport) -> LoadReport:
        """Return the report of a dry run, with a note if the real load would be refused."""
        try:
            self._check_share(report)
        except UserError as error:
            report = replace(report, notes=(*report.notes, f"a load would be refused: {error}"))
        return replace(report, dry_run=True)

    def _check_share(self, report: LoadReport) -> None:
        """Raise UserError if too many rows are refused, or if every value of a column is refused."""
        counts, most = self.converter.counts, self.load.options.max_rejects
        title = self.load.opened.title
        if report.rows_rejected >= _FEW and report.rows_rejected > most * report.rows_read:
            raise UserError(
                f"{title}: {report.rows_rejected:,} of {report.rows_read:,} rows do not fit table {self.table.name!r}, "
                f"more than {most:.0%} (--max-rejects), so nothing was loaded: {report.explain()}; "
                f"{report.first_rejects()}"
            )
        for name, unfit in counts.unfit.items():
            if unfit >= _FEW and unfit == counts.stated[name] and most < 1:
                why = {k: v for k, v in report.reasons.items() if k.startswith(f"{name}: ")}
                first = next((str(r) for r in report.rejects if r.column == name), "")
                decimal = "say --decimal , or --decimal ., " if f"{name}: {AMBIGUOUS}" in why else ""
                raise UserError(
                    f"{title}: no value of {self.plan.match.columns[name]!r} fits column {name!r} "
                    f"({replace(report, reasons=why).explain()}; {first}); {decimal}choose another column with "
                    f"--map {name}=..., or leave it out with --map {name}="
                )

    def _publish_rejects(self) -> None:
        """Commit the rejects of this load, unless there are none or an earlier try committed them already."""
        table, mode = self.refused.table, self.load.mode
        if not self.refused.written and not (mode == "replace" and self.store.exists(table.name)):
            return
        if loaded_version(self.store, table, self.id, mode) is None:
            self.store.commit(
                table,
                self.refused.written,
                mode=mode,
                run_key=f"load/{self.id}",
                metadata={"loads": [self.id]},
                guard=refuse_foreign,
            )
            self.refused.written.clear()

    def _refuse_second_load(self, snapshot: Snapshot) -> None:
        """Raise an error if another process has appended this file; `Store.commit` calls it as its guard."""
        own_files = {f.path for f in self.rows.written}
        if self.load.mode == "append" and shows(snapshot, self.id, self.load.mode, own_files):
            raise _LoadedMeanwhileError(snapshot.version)

    def discard(self) -> None:
        """Delete the data files that were written but not committed."""
        self.rows.discard()
        self.refused.discard()


class _LoadedMeanwhileError(Exception):
    """Another process has just committed the same load; `version` is the table's version with its rows."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version
