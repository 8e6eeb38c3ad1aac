"""Writes rows as CSV, JSON lines or Parquet to standard output or to a file, for the commands that export.

A file appears only when it is complete; an error leaves no half-written file.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from shopbatch.core.controls import escape_controls, plain_value, printable_json
from shopbatch.core.errors import UserError
from shopbatch.core.spreadsheet_cells import protect

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("table", "csv", "json", "parquet")


def export(pieces: Iterator[pa.Table], schema: pa.Schema, kind: str, output: str | None) -> int:
    """Write rows in a format, batch by batch, and return the number of rows.

    Args:
        pieces: The rows in batches, with the columns of `schema`.
        schema: The columns.
        kind: csv, json or parquet.
        output: Path of the file; None for standard output.

    Returns:
        The number of rows; 0 if the reader of standard output closed it early (`| head`).

    Raises:
        UserError: The file cannot be written, or Parquet was asked for without a file.
    """
    if output is None and kind == "parquet":
        raise UserError("--format parquet: add --output FILE")
    write: Callable[[IO[Any], Iterator[pa.Table], pa.Schema], int]
    write = {"csv": _csv, "json": _json, "parquet": _parquet}[kind]
    if output is None:
        try:
            rows = write(sys.stdout, pieces, schema)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has seen enough, as in `shopbatch show ... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return rows
    with whole_file(output, "wb" if kind == "parquet" else "w") as out:
        return write(out, pieces, schema)


@contextmanager
def whole_file(output: str, mode: str) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only at the end of the block, and only if no error occurs.

    Until then it has a temporary name beside `output`, and an older file stays as it is.

    Args:
        output: Path of the file.
        mode: "w" for text or "wb" for bytes.

    Raises:
        UserError: The file cannot be written.
    """
    path = Path(os.path.expanduser(output))
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        # newline="": the csv module writes the ends of lines itself
        out = aside.open(mode) if "b" in mode else aside.open(mode, encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written ({error.strerror})") from None
    try:
        with out:
            yield out
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)  # exists only if something went wrong


class _Screen:
    """Wraps a terminal as output of the CSV writer, to escape control characters.

    A file or a pipe gets the text unchanged, without this class.
    """

    def __init__(self, out: IO[str]) -> None:
        self.out = out

    def write(self, text: str) -> int:
        """Write a text with its control characters escaped."""
        return self.out.write(escape_controls(text))


def _csv(out: IO[Any], pieces: Iterator[pa.Table], schema: pa.Schema) -> int:
    """Write rows as CSV with a header, and return the number of rows."""
    writer, rows = csv.writer(_Screen(out) if out.isatty() else out, lineterminator="\n"), 0
    writer.writerow(schema.names)
    for piece in pieces:
        writer.writerows([_cell(value) for value in row.values()] for row in plain_rows(piece))
        rows += piece.num_rows
    return rows


def _cell(value: Any) -> Any:
    """Convert a value for CSV; text that a spreadsheet would take for a formula gets an apostrophe in front."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=plain_value)
    if isinstance(value, bytes):
        return plain_value(value)
    return protect(value) if isinstance(value, str) else value


def _json(out: IO[Any], pieces: Iterator[pa.Table], schema: pa.Schema) -> int:
    """Write one line of JSON per row, and return the number of rows."""
    rows = 0
    for piece in pieces:
        for row in plain_rows(piece):
            print(printable_json(row), file=out)
        rows += piece.num_rows
    return rows


def plain_rows(piece: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as dictionaries, in which Arrow maps also are dictionaries: {"colour": "red"} and not pairs."""
    rows: list[dict[str, Any]] = piece.to_pylist(maps_as_pydicts="lossy")
    return rows


def _parquet(out: IO[Any], pieces: Iterator[pa.Table], schema: pa.Schema) -> int:
    """Write rows as Parquet, and return the number of rows."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(out, schema, compression="zstd", write_page_checksum=True) as writer:
        for piece in pieces:
            writer.write_table(piece.cast(schema))
            rows += piece.num_rows
    return rows
