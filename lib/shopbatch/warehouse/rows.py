"""Reads rows of a table for display: filtered, sorted, limited in number. `shopbatch show` and reports use it.

Only one row group is in memory at a time, beside the rows of the answer.
"""

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
    """Which rows of a table to read.

    Attributes:
        count: Greatest number of rows; None: all.
        where: Conditions such as `rating>=4`, all of which a row must meet (see `warehouse.filters`).
        sort: The column to sort by; with a `-` in front, the greatest value comes first. "": in the order of the files.
    """

    count: int | None = None
    where: Sequence[str] = ()
    sort: str = ""


def view_of(name: str) -> View:
    """Return the display settings of a table from its declaration; default settings for an undeclared table."""
    table = declared(name)
    return View() if table is None else table.view


def schema_of(snapshot: Snapshot) -> pa.Schema:
    """Return the columns that a query may name: those of the table and, if its rows have a class, PROBABILITY.

    PROBABILITY is the probability of the row's own class, see `with_probability`.
    """
    if not _has_probability(snapshot):
        return snapshot.schema
    return snapshot.schema.append(pa.field(PROBABILITY, pa.float32()))


def read_rows(snapshot: Snapshot, query: Query) -> Iterator[pa.Table]:
    """Yield the rows that a query asks for, with the columns of `schema_of`, in tables of at most a row group.

    A sorted answer is one table; nulls come last. While sorting, the rows of the answer and one row group are in
    memory.

    Args:
        snapshot: The pinned table.
        query: Which rows to read.

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
    """Return the rows that a query asks for as one table, see `read_rows`."""
    return pa.concat_tables([schema_of(snapshot).empty_table(), *read_rows(snapshot, query)])


def add_text(store: Store, snapshot: Snapshot, rows: pa.Table) -> pa.Table:
    """Add the text that the rows are about, such as the review of a sentiment (see `View.about`), from its own table.

    Args:
        store: The warehouse.
        snapshot: The table of the rows.
        rows: Rows of the table, with the key of the text.

    Returns:
        The rows with one more column; a text that is gone is null. The same rows if the table has no such text, or its
        table does not exist.
    """
    text = view_of(snapshot.name).about
    source = None if text is None else store.find(text.table)
    table = None if text is None else declared(text.table)
    if text is None or source is None or table is None or text.column in rows.schema.names:
        return rows
    key, kind = table.key[0], source.schema.field(text.column).type
    texts = _texts(source, text.column, key, rows[key].drop_null().unique())
    return rows.append_column(text.column, pa.array([texts.get(k) for k in rows[key].to_pylist()], kind))


def _texts(source: Snapshot, column: str, key: str, wanted: pa.Array) -> dict[str, str | None]:
    """Return {key: text} for these keys, reading one row group at a time until each key has a text."""
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
    """Return the first row with `value` in `column` as a dictionary; None if there is none.

    Of row groups without such a row, only that column is read.
    """
    for rows in _pieces(snapshot, pc.field(column) == value, [column]):
        if rows.num_rows:
            return dict(rows.slice(0, 1).to_pylist()[0])
    return None


def with_probability(snapshot: Snapshot, rows: pa.Table) -> pa.Table:
    """Add the column PROBABILITY, the probability of each row's own class, if the table has classes (`View.label`).

    For a row with label "positive" it is the value of the column of that class, for example `p_positive`.
    """
    return _add_probability(rows, view_of(snapshot.name)) if _has_probability(snapshot) else rows


def _has_probability(snapshot: Snapshot) -> bool:
    view, names = view_of(snapshot.name), snapshot.schema.names
    return bool(view.label) and view.label in names and PROBABILITY not in names


def _pieces(snapshot: Snapshot, condition: pc.Expression | None, compared: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows that meet a condition, one table per row group.

    Args:
        snapshot: The pinned table.
        condition: The condition; None: all rows are yielded.
        compared: The columns that the condition uses. They are read first; if no row of a row group meets the
            condition, the group's other columns are not read.
    """
    few = snapshot.select(compared) if compared and set(compared) <= set(snapshot.schema.names) else None
    for file in snapshot.files:
        for group in range(len(files.row_group_rows(file.uri))):
            if few is not None and not files.read(file.uri, few, file.partition, [group]).filter(condition).num_rows:
                continue
            rows = files.read(file.uri, snapshot.schema, file.partition, [group])
            rows = with_probability(snapshot, rows)
            yield rows if condition is None else rows.filter(condition)


def _add_probability(rows: pa.Table, view: View) -> pa.Table:
    """Add the column PROBABILITY: for each row the value of the probability column that its label names."""
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
    """Raise UserError if the query names the text column of another table, which is joined only for display."""
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
    """Return (column, "ascending" or "descending") of a sort option; None if it is "".

    Raises:
        UserError: There is no such column, or its values have no order.
    """
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
