"""The first reading of a file: which of its columns are meant, and how their values are written.

Nothing is converted before the second reading (`batches.py`).
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
    """How a file becomes rows of a table.

    match: which columns. formats: how the values of each are written, by the table's column (`attributes.NAME` for an
    entry of that map). merger: merges rows of one key; None if the table's rows are not merged. notes: what was
    recognised, for the user.
    """

    table: Table
    match: Match
    formats: Mapping[str, ColumnFormat]
    merger: Merger | None
    notes: list[str] = field(default_factory=list)


def inspect(table: Table, opened: Input, options: Options) -> Plan:
    """Read a file once, and decide how it is read the second time.

    Raises:
        UserError: Columns are missing, could both be meant, or hold dates that are truly ambiguous.
    """
    matched = match(table, opened.names, options)
    merges = table.merge_rows and not matched.makes_key
    merger = Merger(table, matched.preset) if merges else None
    skipping = Skipping(matched.preset, matched.columns)
    evidence: dict[str, Evidence] = {}
    names = opened.names
    for batch in ahead(opened.batches(_to_inspect(table, matched))):
        if batch.names != names:  # JSON: columns that first occur in a later batch
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
    """The file's columns whose values are looked at in the first reading."""
    declared = {c.name: c for c in table.columns}
    looked_at = [s for t, s in matched.columns.items() if t in declared and Evidence.is_wanted(declared[t])]
    skips = skip_columns(matched.preset) if matched.preset else ()
    return list(dict.fromkeys([*looked_at, *skips, *(matched.columns[k] for k in table.key if k in matched.columns)]))


def _look(table: Table, matched: Match, batch: RawBatch, evidence: dict[str, Evidence]) -> None:
    for column in table.columns:
        if column.name in matched.columns and Evidence.is_wanted(column):
            found = evidence.setdefault(column.name, Evidence(column))
            found.add(batch.get(matched.columns[column.name]))


def _match_more(table: Table, before: Match, names: tuple[str, ...], options: Options) -> Match:
    """The match of more columns. UserError if one of them would match a column that has been read from another."""
    matched = match(table, names, options)
    for target, source in before.columns.items():
        if (now := matched.columns.get(target)) != source:
            raise UserError(f"columns {source!r}, {now!r} could both be {target!r}: choose with --map {target}={now!r}")
    return matched
