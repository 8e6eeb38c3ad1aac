"""Classes with which tables are declared: `Table`, `Column`, `Person`, `View`.

Every other file of this folder uses them to declare the tables of one subject. Loading, erasing, `shopbatch show`, the
store and the documentation all read these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

MONEY = pa.decimal128(12, 2)
PRICE = pa.decimal128(15, 3)  # price of one unit; some currencies have three decimals (Kuwait, Bahrain)
TEXT_MAP = pa.map_(pa.string(), pa.string())
TEXT_LIST = pa.list_(pa.string())
FREE_TEXT = "shopbatch.free_text"
PERSONAL = "shopbatch.personal"
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name of the column.
        type: Its Arrow type.
        meaning: What a value means, with its unit. It is stored as comment in the Delta schema.
        nullable: True if a value may be missing.
        between: Least and greatest allowed value of a number; `shopbatch load` refuses values outside.
        one_of: The allowed strings; `shopbatch load` refuses others. Empty: any string.
        stars: True for a rating in whole stars: `shopbatch load` rounds it and parses `4/5` and `4 stars`.
        free_text: True for text that people wrote. Its values are kept out of file statistics and Delta's log.
        personal: True if a value may name a person or a customer's file. Kept out of statistics and log like free text.
        machinery: True for a technical column (run, recipe, hash, ...), which `shopbatch show` hides unless asked for
            it.
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
        """True for text columns of identifiers (`..._id`, `gtin`); loading trims white space around their values."""
        return self.type == pa.string() and (self.name.endswith("_id") or self.name == "gtin")

    @property
    def field(self) -> pa.Field:
        """The column's Arrow field; its metadata hold the meaning (`comment`) and the flags free text and personal."""
        flags = {FREE_TEXT: self.free_text, PERSONAL: self.personal}
        metadata = {"comment": self.meaning} | {name: "true" for name, is_set in flags.items() if is_set}
        return pa.field(self.name, self.type, self.nullable, metadata=metadata)


def hidden_columns(schema: pa.Schema) -> set[str]:
    """Return the names of the free-text and personal columns, whose values must not appear in file statistics."""
    return {f.name for f in schema if f.metadata and {FREE_TEXT.encode(), PERSONAL.encode()} & {*f.metadata}}


@dataclass(frozen=True)
class Person:
    """The columns by which `shopbatch erase` finds the rows of a person in a table.

    An empty string or tuple means that the table has no such column.

    Attributes:
        user: The column with the id of the user (users.user_id).
        other_user: The column with the id of a second user, such as the inviter. A row is erased if `user` or
            `other_user` is the person.
        review: The column with the id of a review (reviews.review_id).
        quoted: Text columns that may mention or quote a person. A row is erased if they hold an id of the person or of
            the person's reviews, or quote the person's texts.
        hashes: The columns with the content hash of a person's text: one column of hex digits, or two columns with the
            high and the low 64 bits.
        hashed: The columns of `reviews` from which that content hash is computed.
        trained: True if the table holds texts for training models without saying whose they are. All its rows are
            erased when any such text is erased; the next training job writes them again.
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
    """The statement that a table holds no data of a person, so that `shopbatch erase` skips it (instead of `Person`).

    Attributes:
        why: The reason, as a sentence.
    """

    why: str


@dataclass(frozen=True)
class Lookup:
    """A column of another table that `shopbatch show` adds to the rows of a table, joined by the other table's key.

    Attributes:
        table: Name of the other table.
        column: Name of the column to add.
    """

    table: str
    column: str


@dataclass(frozen=True)
class View:
    """Display settings of a table for `shopbatch show`; they do not affect the stored data.

    Attributes:
        first: The most informative columns, shown after the key; a narrow terminal drops them last. Besides columns of
            the table it may name the added columns: `probability` and the text column of `about`.
        label: The column with the predicted class. `shopbatch show` then adds a column `probability`: the probability
            of the row's own class. Empty: the table has no classes.
        probabilities: Prefix of the columns with the probability of each class ("p_" for p_negative, p_positive, ...).
        about: The text that the rows are about, shown as the last column. If it is in another table, the key of that
            table must be a single column, and this table must have a column of the same name.
    """

    first: tuple[str, ...] = ()
    label: str = ""
    probabilities: str = ""
    about: Lookup | None = None


@dataclass(frozen=True)
class Table:
    """One declared table of the warehouse.

    Attributes:
        name: Name of the table and of its folder.
        meaning: What a row is, and which command or job writes the table.
        key: The columns that identify a row; unique in every table that shopbatch writes. A nullable key column is only
            a number that distinguishes rows which are equal in the other key columns.
        columns: All columns, in order.
        latest_by: If several source rows have the same key, jobs use the row with the greatest value in this column;
            among equal values, the later row.
        partition_by: Partition columns: their values are in folder names and not in the files. Declared only where
            partitions save reading.
        must_have: Columns, besides the key, that a loaded file must have.
        key_from_content: True if a loaded file may lack the key (of one column); it is then computed from the row's
            content.
        merge_rows: True if rows of a loaded file with the same key are merged: a later row overwrites only the columns
            for which it has a value.
        html: True if the texts may hold HTML; `shopbatch load` then removes tags and decodes entities.
        job: The job that writes the table. Empty for a source table, which `shopbatch load` or a sample fills.
        sample: The sample that fills a source table (value of `shopbatch sample --source`); empty: none does.
        command: The command that writes the table, without `shopbatch`, if it is neither a job nor `load` nor `sample`.
        loaded_from: What `shopbatch load` reads for it: FILE or FOLDER.
        view: How `shopbatch show` displays its rows.
        person: How `shopbatch erase` finds a person in it. A test requires it of every table of the catalogue.
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
        """Return the Arrow schema of all columns; each field has its meaning as metadata, which Delta stores."""
        return pa.schema([c.field for c in self.columns])

    def file_schema(self) -> pa.Schema:
        """Return the Arrow schema of a data file: all columns but the partition columns (they are folder names)."""
        return pa.schema([f for f in self.schema() if f.name not in self.partition_by])

    def fill(self, rows: int, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Return an Arrow table with the declared schema, in which the columns that are not given are null.

        Args:
            rows: Number of rows.
            columns: The known columns by name, each [rows].
        """
        schema = self.schema()
        whole = {f.name: columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in schema}
        return pa.table(whole, schema=schema)

    @property
    def filled_by(self) -> str:
        """The command that fills the table, as Markdown for messages ("`shopbatch run score_reviews`")."""
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
        """The key columns that are not nullable: every row, also of a loaded file, must have a value in them."""
        return tuple(c.name for c in self.columns if c.name in self.key and not c.nullable)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(c.name for c in self.columns)
