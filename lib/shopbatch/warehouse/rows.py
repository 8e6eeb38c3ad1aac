"""Reads rows of a table for a person: filtered, sorted, the first few, one row group of memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.tables import declared
from shopbatch.tables.schema import View
from shopbatch.warehouse import files
from shopbatch.warehouse.filters import column_of, narrowed, parse_condition
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

PROBABILITY = "probability"


@dataclass(frozen=True)
class Query:
    """Which rows of a table are wanted.

    Attributes:
        count: How many at most; None: all.
        where: Conditions, see `warehouse.filters`; a row must meet all.
        sort: The column to sort by, with a - in front for the greatest first; empty: in the order of the files.
    """

    count: int | None = None
    where: Sequence[str] = ()
    sort: str = ""


def view_of(name: str) -> View:
    """Return how a table is shown."""
    table = declared(name)
    return View() if table is None else table.view


def schema_of(snapshot: Snapshot) -> pa.Schema:
    """Return the columns that a query may name: those of the table, and the probability of the row's class."""
    if not _has_probability(snapshot):
        return snapshot.schema
    return snapshot.schema.append(pa.field(PROBABILITY, pa.float32()))


def read_rows(snapshot: Snapshot, query: Query) -> Iterator[pa.Table]:
    """Yield the rows that a query asks for, with the columns of `schema_of`, in pieces.

    Sorting keeps the rows of the answer in memory and one row group; nulls come last.

    Raises:
        UserError: A condition is wrong, or the rows cannot be sorted by that column.
    """
    schema, condition = schema_of(snapshot), None
    _refuse_about(snapshot, query)
    compared: dict[str, None] = {}
    for term in query.where:
        one = parse_condition(term, schema)
        condition = one.expression if condition is None else condition & one.expression
        compared[one.column] = None
        snapshot = narrowed(snapshot, one)
    order = _order(query.sort, schema)  # a mistake is reported before anything is read
    pieces = _pieces(snapshot, condition, list(compared))
    if order is None:
        return _first(pieces, query.count)
    return _sorted(pieces, order, query.count, schema)


def read_table(snapshot: Snapshot, query: Query) -> pa.Table:
    """Read the rows that a query asks for as one table."""
    return pa.concat_tables([schema_of(snapshot).empty_table(), *read_rows(snapshot, query)])


def add_text(store: Store, snapshot: Snapshot, rows: pa.Table) -> pa.Table:
    """Add the text that a table is about (see `View.about`), read by the keys of these rows; null where it is gone."""
    text = view_of(snapshot.name).about
    source = None if text is None else store.find(text.table)
    table = None if text is None else declared(text.table)
    if text is None or source is None or table is None or text.column in rows.schema.names:
        return rows
    key, kind = table.key[0], source.schema.field(text.column).type
    texts = _texts(source, text.column, key, rows[key].drop_null().unique())
    return rows.append_column(text.column, pa.array([texts.get(k) for k in rows[key].to_pylist()], kind))


def _texts(source: Snapshot, column: str, key: str, wanted: pa.Array) -> dict[str, str | None]:
    """Read the texts of these keys, one row group at a time, until there is one for each key."""
    texts: dict[str, str | None] = {}
    schema, condition = source.select([key, column]), pc.field(key).isin(wanted)
    for file in source.files:
        for group in range(len(files.row_group_rows(file.uri))):
            if len(texts) == len(wanted):
                return texts
            rows = files.read(file.uri, schema, file.partition, [group]).filter(condition)
            texts |= dict(zip(rows[key].to_pylist(), rows[column].to_pylist(), strict=True))
    return texts


def row_of(snapshot: Snapshot, column: str, value: str) -> dict[str, Any] | None:
    """Read the row with this key; None if there is none. Of the other row groups only the keys are read."""
    for rows in _pieces(snapshot, pc.field(column) == value, [column]):
        if rows.num_rows:
            return dict(rows.slice(0, 1).to_pylist()[0])
    return None


def with_probability(snapshot: Snapshot, rows: pa.Table) -> pa.Table:
    """Add the probability of each row's own class, in a table that has such a column in its view."""
    return _add_probability(rows, view_of(snapshot.name)) if _has_probability(snapshot) else rows


def _has_probability(snapshot: Snapshot) -> bool:
    view, names = view_of(snapshot.name), snapshot.schema.names
    return bool(view.label) and view.label in names and PROBABILITY not in names


def _pieces(snapshot: Snapshot, condition: pc.Expression | None, compared: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows that meet a condition, by row group. If a group has none, only the compared columns are read."""
    few = snapshot.select(compared) if compared and set(compared) <= set(snapshot.schema.names) else None
    for file in snapshot.files:
        for group in range(len(files.row_group_rows(file.uri))):
            if few is not None and not files.read(file.uri, few, file.partition, [group]).filter(condition).num_rows:
                continue
            rows = files.read(file.uri, snapshot.schema, file.partition, [group])
            rows = with_probability(snapshot, rows)
            yield rows if condition is None else rows.filter(condition)


def _add_probability(rows: pa.Table, view: View) -> pa.Table:
    """Add the probability of each row's own class."""
    chosen: pa.Array | pa.Scalar = pa.scalar(None, pa.float32())
    for name in rows.schema.names:
        if name.startswith(view.probabilities):
            own = pc.equal(rows[view.label], name.removeprefix(view.probabilities))
            chosen = pc.if_else(own, rows[name].cast(pa.float32()), chosen)
    if isinstance(chosen, pa.Scalar):
        chosen = pa.nulls(rows.num_rows, pa.float32())
    return rows.append_column(PROBABILITY, chosen)


def _first(pieces: Iterator[pa.Table], count: int | None) -> Iterator[pa.Table]:
    for rows in pieces:
        part = rows if count is None else rows.slice(0, count)
        yield part
        count = None if count is None else count - part.num_rows
        if count == 0:
            return


def _refuse_about(snapshot: Snapshot, query: Query) -> None:
    """UserError if the query names the text that is joined to the rows only when they are shown."""
    about = view_of(snapshot.name).about
    if about is None or about.column in snapshot.schema.names:
        return
    named = [
        ("--sort", query.sort.removeprefix("-")),
        *(("--where", column_of(term)) for term in query.where),
    ]
    for option, column in named:
        if column == about.column:
            raise UserError(f"{option}: column {column!r} is one of table {about.table!r}: filter or sort that one")


def _order(sort: str, schema: pa.Schema) -> tuple[str, str] | None:
    """Return column and direction. UserError: there is no such column, or its values have no order."""
    if not sort:
        return None
    column = sort.removeprefix("-")
    if column not in schema.names:
        raise UserError(f"--sort {sort}: no column {column!r}; {hint(column, schema.names)}")
    kind = schema.field(column).type
    if kind.num_fields:
        raise UserError(f"--sort {sort}: column {column!r} is {kind}, which has no order")
    return column, "descending" if sort.startswith("-") else "ascending"


def _sorted(
    pieces: Iterator[pa.Table], order: tuple[str, str], count: int | None, schema: pa.Schema
) -> Iterator[pa.Table]:
    kept = schema.empty_table()
    waiting: list[pa.Table] = []
    for rows in pieces:
        waiting.append(rows)
        if count is not None:  # without a count everything is kept anyway, and sorted once
            kept, waiting = _top(pa.concat_tables([kept, *waiting]), order, count), []
    yield _top(pa.concat_tables([kept, *waiting]), order, count)


def _top(rows: pa.Table, order: tuple[str, str], count: int | None) -> pa.Table:
    chosen = pc.sort_indices(rows, sort_keys=[order])
    return rows.take(chosen if count is None else chosen.slice(0, count))
