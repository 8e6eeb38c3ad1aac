"""Describes whom to erase (`Wanted`), and recognises their rows, texts and ids in tables and free text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hex128
from shopbatch.tables import TABLES
from shopbatch.tables.schema import Person
from shopbatch.text.blanks import BLANKS
from shopbatch.warehouse import utf8

_QUOTE = 32  # characters of a text by which a quotation of it is recognised
_OWN = 24  # bytes; a shorter text may be anybody's
_QUARTERS = 4  # a quotation is recognised at the beginning of each quarter of a text, and at its end
_SHORTEST = 4  # characters of an id that is looked for in text
_LONG_WORD = 12  # characters of an id of letters alone: a shorter one may be an ordinary word
_PERSONS = [t.person for t in TABLES.values() if isinstance(t.person, Person)]
USER_COLUMNS = tuple(sorted({name for p in _PERSONS for name in (p.user, p.other_user) if name}))  # in all tables


@dataclass
class Wanted:
    """Whom to erase, and everything by which their data is recognised. `plan.widen` fills most of it from the tables.

    Attributes:
        users: Ids of users to erase.
        asked: Ids of single reviews that the user of `shopbatch erase` named.
        reviews: `asked`, and the ids of all reviews and other texts that the users wrote.
        hashes: Content hashes (hex digits) of rows that only erased persons have.
        texts: Texts that they wrote.
        quotes: Parts of these texts, about 32 characters each, that nobody else wrote; they reveal quotations.
        wrote: Whether a row that models are trained on is erased.
        known: Ids among `users` and `asked` that occur in some row; the others are unknown.
    """

    users: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    reviews: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    quotes: set[str] = field(default_factory=set)
    wrote: bool = False
    known: set[str] = field(default_factory=set)

    def rows(self, person: Person, data: pa.Table) -> pa.Array:
        """Return a boolean mask [n]: True for the rows of a table that are to be erased.

        A row is erased if its user is among `users`, its review id is among `reviews`, its content hash is among
        `hashes`, or its text mentions an erased id or quotes an erased text. In a table with both author and review id,
        another author's row with an id in `reviews` stays, unless the id is in `asked`. A table of anonymous training
        data (`person.trained`) is erased as a whole if `wrote` is True.

        Args:
            person: Which columns of the table name or quote a person.
            data: Rows with the columns of `columns_of`, [n]; a column that the table lacks may be missing.
        """
        if person.trained:
            return pa.repeat(pa.scalar(self.wrote), data.num_rows)
        masks, there = [], data.column_names
        if person.user in there:
            masks.append(_among(data[person.user], self.users))
        if person.other_user in there:
            masks.append(_among(data[person.other_user], self.users))
        if person.review in there and person.user in there:
            # a review without an author is erased by its id; another person's review with the same id stays
            nobodys = pc.and_(pc.is_null(data[person.user]), _among(data[person.review], self.reviews))
            masks += [nobodys, _among(data[person.review], self.asked)]
        elif person.review in there:
            masks.append(_among(data[person.review], self.reviews))
        if person.hashes and set(person.hashes) <= set(data.column_names):
            masks.append(pc.is_in(_hex(person, data), pa.array(sorted(self.hashes), pa.string())))
        if quoted := [_lines(data[column]) for column in person.quoted if column in there]:
            lines = quoted[0] if len(quoted) == 1 else pc.binary_join_element_wise(*quoted, "\n", null_handling="skip")
            masks.append(self.mentioned(lines))
        chosen = np.zeros(data.num_rows, bool)
        for mask in masks:
            chosen |= pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
        return pa.array(chosen)

    def note(self, person: Person, rows: pa.Table) -> None:
        """Add the ids that occur in some rows to `known`.

        Args:
            person: Which columns of the table name a person.
            rows: Rows of the table.
        """
        columns = ((person.user, self.users), (person.other_user, self.users), (person.review, self.asked))
        for column, names in columns:
            if column in rows.column_names:
                self.known |= names.intersection(trimmed(rows[column]).to_pylist())

    @property
    def names(self) -> list[str]:
        """Ids of users and reviews that are searched for in free text, sorted.

        They have at least 4 characters, or at least 12 if they consist of letters alone; other ids could be ordinary
        words.
        """
        return sorted(n for n in self.users | self.reviews if len(n) >= (_LONG_WORD if n.isalpha() else _SHORTEST))

    def mentioned(self, texts: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Return a boolean mask [n]: True for texts with one of `names` as a separate word, or one of `quotes`.

        Args:
            texts: The texts, [n]; null gives False.
        """
        wanted = [*self.names, *sorted(self.quotes)]
        column = pl.Series(
            pa.array([None if t is None else flat(t) for t in utf8.blank(texts).to_pylist()], pa.string())
        )
        if not wanted or not len(column):
            return pa.repeat(pa.scalar(False), len(column))
        likely = column.str.contains_any(wanted).fill_null(False).to_list()
        matches = column.str.extract_many(wanted, overlapping=True).to_list()
        sure = [
            hit and any(m in self.quotes or _is_word(m, text) for m in words)
            for hit, text, words in zip(likely, column, matches, strict=True)
        ]
        return pa.array(sure, pa.bool_())

    def choose_quotes(self, others: Iterable[Sequence[str]]) -> None:
        """Add to `quotes` the parts of `texts` that do not occur in the texts of other people.

        Args:
            others: The texts of other people, in batches.
        """
        self.quotes |= {quote for text in self.texts for quote in _quotes(flat(text))}
        for batch in others:
            if self.quotes:
                column = pl.Series([flat(text) for text in batch], dtype=pl.String)
                shared = column.str.extract_many(sorted(self.quotes), overlapping=True).explode().drop_nulls()
                self.quotes -= set(shared.to_list())


def columns_of(person: Person, schema: pa.Schema) -> pa.Schema:
    """Return the part of a table's schema that `Wanted.rows` needs to tell which rows are about a person."""
    names = {person.user, person.other_user, person.review, *person.hashes, *person.quoted}
    if person.trained:
        names.add(schema.names[0])  # any column will do: only the number of rows is needed
    return pa.schema([f for f in schema if f.name in names])


def trimmed(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return ids as strings without blanks at both ends, because the jobs compare ids in this form."""
    if not pa.types.is_string(values.type):
        return values.cast(pa.string())
    return pc.utf8_trim(utf8.blank(values), BLANKS)


def flat(text: str) -> str:
    """Return a text with each run of white space replaced by one blank, and none at its ends."""
    return " ".join(text.split())


def _quotes(text: str) -> set[str]:
    """Return up to five parts of 32 characters, spread over a text; none of a text shorter than 24 bytes."""
    last = max(0, len(text) - _QUOTE)
    starts = {last * quarter // _QUARTERS for quarter in range(_QUARTERS + 1)}
    return {text[i : i + _QUOTE].strip() for i in starts} if len(text.encode()) >= _OWN else set()


def _among(values: pa.ChunkedArray, names: set[str]) -> pa.ChunkedArray:
    """Return a boolean mask: True where an id, without blanks at its ends, is one of `names`."""
    return pc.is_in(trimmed(values), pa.array(sorted(names), pa.string()))


def _lines(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return each value of a text column as one string; a list of texts becomes its lines."""
    return pc.binary_join(values, "\n") if pa.types.is_list(values.type) else utf8.blank(values)


def _hex(person: Person, data: pa.Table) -> pa.ChunkedArray | pa.Array:
    """Return the content hash of each row as hex digits, whether the table stores it as text or as two 64-bit words."""
    if len(person.hashes) == 1:
        return data[person.hashes[0]]
    high, low = (data[name].to_numpy().view(np.uint64) for name in person.hashes)
    return hex128(high, low)


def _is_word(name: str, text: str) -> bool:
    """Return True if a name occurs in a text without letters, digits, "_" or "-" directly around it."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
