"""Whom to erase, and how their rows, texts and names are recognised in a table or a text."""

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
USER_COLUMNS = tuple(sorted({name for p in _PERSONS for name in (p.user, p.other_user) if name}))  # of declared tables


@dataclass
class Wanted:
    """Whom to erase.

    Attributes:
        users: Ids of users.
        asked: Ids of single reviews.
        reviews: These, and the ids of what the users wrote.
        hashes: Content hashes of what they wrote and nobody else did, as hex digits.
        texts: What they wrote.
        quotes: Parts of these texts that are in no text of others.
        wrote: Whether anything that models are trained on is erased.
        known: Those of the ids of users and single reviews that stand in some row.
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
        """Tell which rows of a table are to be erased.

        Args:
            person: Where a person stands in the table.
            data: Rows with the columns of `columns_of`; a column that the table lacks may be missing.
        """
        if person.trained:
            return pa.repeat(pa.scalar(self.wrote), data.num_rows)
        masks, there = [], data.column_names
        if person.user in there:
            masks.append(_among(data[person.user], self.users))
        if person.other_user in there:
            masks.append(_among(data[person.other_user], self.users))
        if person.review in there and person.user in there:
            # a review without its author goes by its id; one of somebody else under the same id stays
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
        """Remember which of the ids stand in rows of a table."""
        columns = ((person.user, self.users), (person.other_user, self.users), (person.review, self.asked))
        for column, names in columns:
            if column in rows.column_names:
                self.known |= names.intersection(trimmed(rows[column]).to_pylist())

    @property
    def names(self) -> list[str]:
        """The ids that are recognised in text."""
        return sorted(n for n in self.users | self.reviews if len(n) >= (_LONG_WORD if n.isalpha() else _SHORTEST))

    def mentioned(self, texts: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Tell which texts hold the id of a person or a review as a word, or quote what they wrote."""
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
        """Choose the quotes: parts of the texts that do not occur in the texts of others, given in batches."""
        self.quotes |= {quote for text in self.texts for quote in _quotes(flat(text))}
        for batch in others:
            if self.quotes:
                column = pl.Series([flat(text) for text in batch], dtype=pl.String)
                shared = column.str.extract_many(sorted(self.quotes), overlapping=True).explode().drop_nulls()
                self.quotes -= set(shared.to_list())


def columns_of(person: Person, schema: pa.Schema) -> pa.Schema:
    """Return the columns of a table from which `Wanted.rows` tells whom a row is about."""
    names = {person.user, person.other_user, person.review, *person.hashes, *person.quoted}
    if person.trained:
        names.add(schema.names[0])  # the rows are counted
    return pa.schema([f for f in schema if f.name in names])


def trimmed(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return ids as text without blanks at their ends, as the jobs compare them."""
    if not pa.types.is_string(values.type):
        return values.cast(pa.string())
    return pc.utf8_trim(utf8.blank(values), BLANKS)


def flat(text: str) -> str:
    """Collapse white space."""
    return " ".join(text.split())


def _quotes(text: str) -> set[str]:
    last = max(0, len(text) - _QUOTE)
    starts = {last * quarter // _QUARTERS for quarter in range(_QUARTERS + 1)}
    return {text[i : i + _QUOTE].strip() for i in starts} if len(text.encode()) >= _OWN else set()


def _among(values: pa.ChunkedArray, names: set[str]) -> pa.ChunkedArray:
    return pc.is_in(trimmed(values), pa.array(sorted(names), pa.string()))


def _lines(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as it is, and a list of texts as its lines."""
    return pc.binary_join(values, "\n") if pa.types.is_list(values.type) else utf8.blank(values)


def _hex(person: Person, data: pa.Table) -> pa.ChunkedArray | pa.Array:
    """The content hashes of rows as hex digits."""
    if len(person.hashes) == 1:
        return data[person.hashes[0]]
    high, low = (data[name].to_numpy().view(np.uint64) for name in person.hashes)
    return hex128(high, low)


def _is_word(name: str, text: str) -> bool:
    """Whether a name stands in a text as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
