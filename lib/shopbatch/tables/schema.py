"""How a table is declared: names, types, meanings and key, once. Every file beside this one declares one subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

MONEY = pa.decimal128(12, 2)
PRICE = pa.decimal128(15, 3)  # of one unit; the dinars of Kuwait, Bahrain, ... have three decimals
TEXT_MAP = pa.map_(pa.string(), pa.string())
TEXT_LIST = pa.list_(pa.string())
FREE_TEXT = "shopbatch.free_text"
PERSONAL = "shopbatch.personal"
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its name.
        type: Its Arrow type.
        meaning: What a value means, with its unit. Kept in the Delta schema.
        nullable: Whether a value may be missing.
        between: Least and greatest value of a number; `shopbatch load` checks it.
        one_of: The strings that are allowed; `shopbatch load` checks it.
        stars: Whether it is a rating in whole stars; `shopbatch load` rounds it, and reads `4/5` and `4 stars`.
        free_text: Whether people wrote it. No value of it may stand in a file's statistics, nor in Delta's log.
        personal: Whether a value may name a person or a customer's file. The same holds for its values.
        machinery: Whether it only says how the row came to be; `shopbatch show` leaves it out unless asked.
    """

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = True
    between: tuple[int, int] | None = None
    one_of: tuple[str, ...] = ()
    stars: bool = False
    free_text: bool = False
    personal: bool = False
    machinery: bool = False

    @property
    def is_id(self) -> bool:
        """Whether the values name things, so that white space around them means nothing."""
        return self.type == pa.string() and (self.name.endswith("_id") or self.name == "gtin")

    @property
    def field(self) -> pa.Field:
        """The Arrow field; its metadata says what the column means, and whether it is free text or personal."""
        flags = {FREE_TEXT: self.free_text, PERSONAL: self.personal}
        metadata = {"comment": self.meaning} | {name: "true" for name, is_set in flags.items() if is_set}
        return pa.field(self.name, self.type, self.nullable, metadata=metadata)


def hidden_columns(schema: pa.Schema) -> set[str]:
    """Return the names of the columns of which no value may stand in statistics."""
    return {f.name for f in schema if f.metadata and {FREE_TEXT.encode(), PERSONAL.encode()} & {*f.metadata}}


@dataclass(frozen=True)
class Person:
    """Where a person stands in a table, for `shopbatch erase`.

    Attributes:
        user: The column that names the user (users.user_id).
        other_user: The column that names a second user, such as who invited the first. A row goes with either of them.
        review: The column that names a review (reviews.review_id).
        quoted: Columns of text in which a person may be named or quoted; such a row is erased, too.
        hashes: The columns that hold the content hash of what a person wrote: its hex digits, or its two words.
        hashed: The columns of `reviews` that the content hash is of.
        trained: Whether the table is made of texts that models are trained on and does not say whose they are. It is
            emptied when such a text is erased; the next training job makes it anew.
    """

    user: str = ""
    other_user: str = ""
    review: str = ""
    quoted: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    trained: bool = False


@dataclass(frozen=True)
class Nobody:
    """No person stands in a table.

    Attributes:
        why: The reason, in a sentence.
    """

    why: str


@dataclass(frozen=True)
class Lookup:
    """A column of another table that `shopbatch show` adds to the rows that it shows, joined by that table's key."""

    table: str
    column: str


@dataclass(frozen=True)
class View:
    """How `shopbatch show` shows the rows of a table; none of it is stored.

    Attributes:
        first: The most telling columns after the key, which are the last to go where the terminal is narrow.
            `probability` and the text of `about` may be among them.
        label: The column whose values are classes: `probability` is then shown, that of the row's own class.
        probabilities: What the names of the columns with the probabilities of the classes begin with.
        about: The text that the rows are about, shown as the last column. If it is of another table, that one has a key
            of one column, which this one has, too.
    """

    first: tuple[str, ...] = ()
    label: str = ""
    probabilities: str = ""
    about: Lookup | None = None


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    Attributes:
        name: Its name, which is also that of its folder.
        meaning: What a row is, and which command or job writes it.
        key: The columns that name a row; unique in every table that shopbatch writes. A key column that is nullable
            only numbers the rows that the others cannot tell apart.
        columns: All columns, in order.
        latest_by: Of several source rows with one key, the one with the greatest value here wins, then the later row.
        partition_by: Columns whose values are folders, not in the files. Only where that pays.
        must_have: Columns, besides the key, that a loaded file must have.
        key_from_content: A loaded file may lack the key (one column); it is then made from the row's content.
        merge_rows: Rows of a loaded file with the same key are merged: a later one changes only what it states.
        html: Entities and tags in its texts mean nothing; a loaded file is read as plain text.
        job: The job that writes it; empty for a source table, which `shopbatch load` fills, and mostly a sample does.
        sample: Which sample fills a source table, as `shopbatch sample --source` names it; empty: none does.
        command: The command that writes it, without `shopbatch`, if it is neither a job nor one of these two.
        loaded_from: What `shopbatch load` reads for it: a FILE or a FOLDER.
        view: How `shopbatch show` shows its rows.
        person: Where a person stands in it. Every table of the catalogue says it; a test looks.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    latest_by: str | None = None
    partition_by: tuple[str, ...] = ()
    must_have: tuple[str, ...] = ()
    key_from_content: bool = False
    merge_rows: bool = False
    html: bool = False
    job: str = ""
    sample: Literal["real", "generated", "boutique", ""] = "real"
    command: str = ""
    loaded_from: str = "FILE"
    view: View = View()
    person: Person | Nobody | None = None

    def schema(self) -> pa.Schema:
        """Make the Arrow schema; each field carries its meaning as `comment` metadata, which Delta keeps."""
        return pa.schema([c.field for c in self.columns])

    def file_schema(self) -> pa.Schema:
        """Make the Arrow schema of a data file: the columns that are not folders."""
        return pa.schema([f for f in self.schema() if f.name not in self.partition_by])

    def fill(self, rows: int, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Make rows with the declared schema from columns [rows] by name; columns that are not given are null."""
        schema = self.schema()
        whole = {f.name: columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in schema}
        return pa.table(whole, schema=schema)

    @property
    def filled_by(self) -> str:
        """The commands that fill it."""
        if (source := self.name.removesuffix("_load_rejects")) != self.name:
            return f"`shopbatch load {source} FILE`"
        if self.command:
            return f"`shopbatch {self.command}`"
        if self.job:
            return f"`shopbatch run {self.job}`"
        load = f"`shopbatch load {self.name} {self.loaded_from}`"
        if not self.sample:
            return load
        return f"`shopbatch sample{'' if self.sample == 'real' else f' --source {self.sample}'}` or {load}"

    @property
    def needed_key(self) -> tuple[str, ...]:
        """The key columns that no row may lack."""
        return tuple(c.name for c in self.columns if c.name in self.key and not c.nullable)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(c.name for c in self.columns)
