"""Declares `<table>_load_rejects`: the values of loaded files that `shopbatch load` refused, with the reasons."""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table, View


def load_rejects(source: str) -> Table:
    """Return the declaration of `<source>_load_rejects`: one row per refused value of a file loaded into `source`."""
    return Table(
        name=f"{source}_load_rejects",
        meaning=f"One row per value of a loaded file that does not fit {source}.",
        key=("load_id", "source_file", "source_row", "column"),
        person=Person(quoted=("value",)),
        columns=(
            Column(
                "source_file", pa.string(), "The file, relative to the folder it was in.", nullable=False, personal=True
            ),
            Column("source_row", pa.int64(), "The row in that file, from 1; a header is not counted.", nullable=False),
            Column(
                "column", pa.string(), "The column that does not fit; * when the whole row does not.", nullable=False
            ),
            Column("source_line", pa.int64(), "The line of the file in which the row begins, from 1; null: no lines."),
            Column("reason", pa.string(), "Why: no_key, not_a_number, out_of_range, ...", nullable=False),
            Column("value", pa.string(), "The value, at most 80 characters; null for customers' text.", free_text=True),
            Column("row_loaded", pa.bool_(), "Whether the row was loaded without the value (an optional column)."),
            Column("load_id", pa.string(), "The load: a digest of the file's content and the mapping.", nullable=False),
        ),
        view=View(("source_file", "source_row", "column", "reason", "value")),
    )
