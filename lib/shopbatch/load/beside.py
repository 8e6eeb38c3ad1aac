"""Joins a column that an export keeps in a second file of the same folder, such as the texts of numbered queries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import polars as pl
import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.load import presets
from shopbatch.load.formats import open_input
from shopbatch.load.options import Options
from shopbatch.load.presets import Beside, file_column
from shopbatch.load.raw import Input, RawBatch
from shopbatch.load.shaping import text_cells


def with_files_beside(table: str, opened: Input, options: Options) -> Input:
    """Return the input with the columns that its preset reads from other files of the same folder (`Preset.beside`).

    The other file is held in memory, since it is small: it explains numbers of the first file, such as the text of each
    query. A column that the first file has itself, or that the user maps, is not joined.

    Args:
        table: The table that is loaded.
        opened: The file.
        options: How the user says that the file is to be read.

    Returns:
        An input with more columns; the same input if its preset needs no other file.

    Raises:
        UserError: The second file is missing, or lacks a column.
    """
    system = options.preset or presets.recognise(table, opened.names) or presets.PLAIN
    if system == presets.PLAIN:
        return opened
    for target, rule in presets.preset(table, system).beside.items():
        key = file_column(rule.by, opened.names)
        if key is not None and file_column(rule.column, opened.names) is None and target not in options.mapping:
            opened = _joined(opened, key, rule)
    return opened


def _joined(opened: Input, key: str, rule: Beside) -> Input:
    """Return the input with one more column, read from a second file in the same folder.

    Args:
        opened: The input.
        key: Its column by which the files are joined; if the second file repeats a key, the last of these rows is used.
        rule: Names the second file, its key column, and the column to add.
    """
    place = opened.path.parent / rule.file
    if not place.is_file():
        raise UserError(f"{opened.title}: its column {rule.column!r} stands in {rule.file}, which is not beside it")
    second = open_input(place)
    by, column = file_column(rule.by, second.names), file_column(rule.column, second.names)
    if by is None or column is None:
        raise UserError(f"{place}: expected columns {rule.by} and {rule.column}; it has: {', '.join(second.names)}")
    parts = [(text_cells(b.get(by)), text_cells(b.get(column))) for b in second.batches([by, column])]
    keys = pl.concat([pl.Series(pl.from_arrow(k)).cast(pl.String) for k, _ in parts])
    texts = pl.concat([pl.Series(pl.from_arrow(t)).cast(pl.String) for _, t in parts])
    values = pl.DataFrame({"key": keys, "text": texts}).drop_nulls("key").unique("key", keep="last")

    def batches(wanted: Sequence[str]) -> Iterator[RawBatch]:
        more = list(dict.fromkeys([*(n for n in wanted if n != rule.column), key]))
        for batch in opened.batches(more if rule.column in wanted else wanted):
            yield replace(batch, names=(*batch.names, rule.column), get=_getter(batch, key, rule.column, values))

    digest = hashlib.blake2b(f"{opened.digest}/{second.digest}".encode(), digest_size=16).hexdigest()
    note = f"{rule.column}: taken from {rule.file} by {key}"
    return replace(
        opened,
        names=(*opened.names, rule.column),
        digest=digest,
        batches=batches,
        unchanged=lambda: opened.unchanged() and second.unchanged(),
        notes=[*opened.notes, note],
    )


def _getter(batch: RawBatch, key: str, column: str, values: pl.DataFrame) -> Callable[[str], pa.Array | list[object]]:
    """Return a function like `batch.get` (column name -> values [n]) that also knows the joined column.

    Args:
        batch: The batch of the first file.
        key: Its column by which the files are joined.
        column: Name of the joined column.
        values: The second file, with the columns `key` and `text`.
    """

    def get(name: str) -> pa.Array | list[object]:
        if name != column:
            return batch.get(name)
        keys = pl.Series("key", pl.from_arrow(text_cells(batch.get(key)))).cast(pl.String)
        return keys.to_frame().join(values, on="key", how="left", maintain_order="left")["text"].to_arrow()

    return get
