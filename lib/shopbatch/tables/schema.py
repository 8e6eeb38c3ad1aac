"""How a table is declared: names, types, meanings and key, once. Every file beside this one declares one subject."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

MONEY = pa.decimal128(12, 2)
FREE_TEXT = "shopbatch.free_text"
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, what a value means (with its unit) and whether it may be null.

    between: least and greatest value of a number. one_of: the strings that are values. `shopbatch load` checks them.
    free_text: what people wrote, so that no statistics of it may stand in Delta's log.
    """

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = True
    between: tuple[int, int] | None = None
    one_of: tuple[str, ...] = ()
    free_text: bool = False

    @property
    def field(self) -> pa.Field:
        """The Arrow field, its metadata saying what the column means and whether it is free text."""
        told = {"comment": self.meaning} | ({FREE_TEXT: "true"} if self.free_text else {})
        return pa.field(self.name, self.type, self.nullable, metadata=told)


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    key: the columns that name a row; unique in every table that shopbatch writes.
    latest_by: of several source rows with one key, the greatest value here wins (then the later row).
    partition_by: columns that are folders and not in the files (only where it pays).
    must_have: columns, besides the key, that a loaded file must have.
    key_from_content: a loaded file may lack the key (one column); it is then made from the row's content.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    latest_by: str | None = None
    partition_by: tuple[str, ...] = ()
    must_have: tuple[str, ...] = ()
    key_from_content: bool = False

    def schema(self) -> pa.Schema:
        """Arrow schema; each field carries its meaning as `comment` metadata, which Delta keeps."""
        return pa.schema([c.field for c in self.columns])

    def file_schema(self) -> pa.Schema:
        """Arrow schema of a data file: the columns that are not folders."""
        return pa.schema([f for f in self.schema() if f.name not in self.partition_by])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)
