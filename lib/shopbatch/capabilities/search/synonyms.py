"""The shop's synonyms, stored in the index: further words that a search looks up besides those of the query."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.search.terms import STEM, is_unspaced, pieces, word_terms
from shopbatch.core.hashing import digest
from shopbatch.tables.synonyms import SYNONYMS
from shopbatch.warehouse.store import Store

COLUMNS = ("language", "term", "synonym")
LONGEST = 8  # words (or characters of a script without spaces) of the longest term that is found


def read_synonyms(store: Store) -> pa.Table:
    """Read the distinct rows of the table `synonyms`, sorted; empty if there is no such table.

    Returns:
        The columns of COLUMNS (language, term, synonym), [n].
    """
    snapshot = store.find(SYNONYMS.name)
    table = SYNONYMS.schema().empty_table() if snapshot is None else snapshot.read(list(COLUMNS))
    rows = pl.DataFrame(table.select(COLUMNS)).unique().sort(COLUMNS, nulls_last=False)
    return rows.to_arrow().cast(pa.schema([(name, pa.string()) for name in COLUMNS]))


def synonyms_digest(table: pa.Table) -> str:
    """Return a digest of the rows of `read_synonyms`."""
    return digest(table.to_pydict())


@dataclass(frozen=True, eq=False)
class Synonyms:
    """The synonyms of an index, indexed by term.

    Attributes:
        table: The rows of `read_synonyms`.
    """

    table: pa.Table
    _by_key: dict[str, list[tuple[str | None, str]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Index the rows by their terms, as stems."""
        for language, term, synonym in pl.DataFrame(self.table).iter_rows():
            if key := _key(_units(term)):
                self._by_key.setdefault(key, []).append((language, synonym))

    def of(self, text: str, language: str | None) -> tuple[str, ...]:
        """Return the synonyms of the terms that occur in a query, each once, in the order of the query.

        Latin words match in any form with the same stem. Only rows without a language, or with this one, are used.

        Args:
            text: The query.
            language: ISO 639-1 code; None if unknown.
        """
        if not self._by_key:
            return ()
        synonyms: dict[str, None] = {}
        units = _units(text)
        for start in range(len(units)):
            for end in range(start + 1, min(len(units), start + LONGEST) + 1):
                for its, synonym in self._by_key.get(_key(units[start:end]), ()):
                    if its is None or its == language:
                        synonyms[synonym] = None
        return tuple(synonyms)


NO_SYNONYMS = Synonyms(pa.schema([(name, pa.string()) for name in COLUMNS]).empty_table())


def _key(units: list[str]) -> str:
    return "\0".join(units)


def _units(text: str) -> list[str]:
    """Split a text into the stems of its words and the single characters of scripts without spaces, in order."""
    units: list[str] = []
    for piece in pieces(text.lower()):
        if is_unspaced(piece[0]):
            units += piece
        else:
            units += [term[1:] for term in word_terms(piece) if term.startswith(STEM)]
    return units
