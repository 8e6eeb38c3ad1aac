"""The first reading of a file: matches its columns to the table and finds out how their values are written.

Nothing is converted before the second reading (`batches.py`), which follows the `Plan` made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from shopbatch.core.ahead import ahead
from shopbatch.core.errors import UserError
from shopbatch.load.column_formats import ColumnFormat, Evidence, decide, describe
from shopbatch.load.match import Match, match
from shopbatch.load.options import Options
from shopbatch.load.presets import skip_columns
from shopbatch.load.raw import Input, RawBatch
from shopbatch.load.shaping import Merger, text_cells
from shopbatch.load.skipping import Skipping
from shopbatch.tables.schema import Table


@dataclass(frozen=True)
class Plan:
    """How the rows of a file are converted to rows of a table; the result of the first reading.

    Attributes:
        table: The table that is loaded.
        match: The columns of the file, matched to those of the table.
        formats: How the values of each column are written, by the table's column (`attributes.NAME` for an entry of the
            column `attributes`).
        merger: Merges rows with the same key; None if rows of this table are not merged.
        notes: What was recognised, a line each for the user.
    """

    table: Table
    match: Match
    formats: Mapping[str, ColumnFormat]
    merger: Merger | None
    notes: list[str] = field(default_factory=list)


def inspect(table: Table, opened: Input, options: Options) -> Plan:
    """Read a file for the first time, and return how it is to be converted in the second reading.

    Args:
        table: The table that is loaded.
        opened: The file.
        options: How the user says that the file is to be read.

    Raises:
        UserError: Needed columns are missing, two columns could be the same one, or dates are ambiguous (day or month
            first).
    """
    matched = match(table, opened.names, options)
    merges = table.merge_rows and not matched.makes_key
    merger = Merger(table, matched.preset) if merges else None
    skipping = Skipping(matched.preset, matched.columns)
    evidence: dict[str, Evidence] = {}
    names = opened.names
    for batch in ahead(opened.batches(_to_inspect(table, matched))):
        if batch.names != names:  # JSON lines: this batch has columns that earlier ones lack
            matched, names = _match_more(table, matched, batch.names, options), batch.names
        _look(table, matched, batch, evidence)
        if merger is not None:
            keys = text_cells(batch.get(matched.columns[table.key[0]]))
            merger.count(keys.filter(pa.array(~skipping.rows(batch))))
    if merger is not None:
        merger.counted()
    formats = decide(evidence, options.decimal, options.dates, matched.preset.dates if matched.preset else {})
    notes = [*opened.notes, *describe(formats, evidence)]
    html = matched.preset.html if matched.preset else ()
    for target in matched.columns:
        known = formats.get(target, ColumnFormat())
        formats[target] = replace(known, html=table.html or target in html, table=table.name)
    return Plan(table, matched, formats, merger, notes)


def _to_inspect(table: Table, matched: Match) -> list[str]:
    """Return the file's columns whose values the first reading needs."""
    declared = {c.name: c for c in table.columns}
    looked_at = [s for t, s in matched.columns.items() if t in declared and Evidence.is_wanted(declared[t])]
    skips = skip_columns(matched.preset) if matched.preset else ()
    return list(dict.fromkeys([*looked_at, *skips, *(matched.columns[k] for k in table.key if k in matched.columns)]))


def _look(table: Table, matched: Match, batch: RawBatch, evidence: dict[str, Evidence]) -> None:
    """Add the values of a batch to `evidence` (the table's column -> counts), in place."""
    for column in table.columns:
        if column.name in matched.columns and Evidence.is_wanted(column):
            found = evidence.setdefault(column.name, Evidence(column))
            found.add(batch.get(matched.columns[column.name]))


def _match_more(table: Table, before: Match, names: tuple[str, ...], options: Options) -> Match:
    """Match the columns again, since a later batch of a file of JSON lines has new columns, and return the new match.

    Args:
        table: The table that is loaded.
        before: The match so far.
        names: All columns of the file that are known now.
        options: How the user says that the file is to be read.

    Raises:
        UserError: A column of the table would now be read from another column of the file than in earlier batches.
    """
    matched = match(table, names, options)
    for target, source in before.columns.items():
        if (now := matched.columns.get(target)) != source:
            raise UserError(f"columns {source!r}, {now!r} could both be {target!r}: choose with --map {target}={now!r}")
    return matched
