"""Texts and rows as a person has them -> rows of the table that is translated: for `shopbatch try` and `score`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.translation import texts
from shopbatch.capabilities.translation.config import TranslateProductsConfig, TranslateRepliesConfig
from shopbatch.capabilities.translation.glossary import Glossary
from shopbatch.capabilities.translation.joining import GLOSSARY_READ, READ, TABLES_READ, reader_of
from shopbatch.core.errors import UserError
from shopbatch.tables.glossary import GLOSSARY
from shopbatch.tables.schema import Table
from shopbatch.tables.translations import PRODUCT_TEXTS, REPLY_TEXTS
from shopbatch.text.language import guess_language
from shopbatch.warehouse.store import Store

_Rows = list[dict[str, Any]]


def _rows_for(table: Table) -> Callable[[TranslateRepliesConfig, Store, Sequence[Mapping[str, Any]]], _Rows]:
    """Return what makes the rows of a table of texts."""

    def rows(config: TranslateRepliesConfig, store: Store, given: Sequence[Mapping[str, Any]]) -> _Rows:
        """Make rows as a run would make them: with language, brand and terms of the glossary.

        Args:
            config: The job's configuration.
            store: The warehouse, whose glossary is read.
            given: Rows with a `text`, or rows of the first table that the job reads.

        Raises:
            UserError: A row is neither.
        """
        part = config.parts[0] if isinstance(config, TranslateProductsConfig) else "ticket_answers"
        held = store.find(GLOSSARY.name)
        glossary = Glossary([] if held is None else held.read(list(GLOSSARY_READ)).to_pylist())
        made: _Rows = []
        for number, row in enumerate(given, 1):
            if "text" in row:
                made.append(_with_language(row, glossary, config.default_source))
                continue
            if unknown := [name for name in row if name not in TABLES_READ[part].names]:
                raise UserError(f"{part} has no column {unknown[0]!r}; it has: {', '.join(TABLES_READ[part].names)}")
            whole = {name: row.get(name) for name in READ[part]}
            whole[READ[part][0]] = whole[READ[part][0]] or str(number)
            read = [*reader_of(part, {})([whole])]
            made += texts.rows_of(read, table.file_schema(), glossary, config.default_source, "try").to_pylist()
        return made

    return rows


def _with_language(row: Mapping[str, Any], glossary: Glossary, default: str | None) -> dict[str, Any]:
    """A row with the language that it states, that its text tells, or else the default."""
    text = row["text"]
    if not isinstance(text, str):
        return dict(row)
    guessed = row.get("source_language") or guess_language(pa.array([text])).to_pylist()[0] or default
    return {"glossary": glossary.entries(text, guessed), **row, "source_language": guessed}


product_rows, reply_rows = _rows_for(PRODUCT_TEXTS), _rows_for(REPLY_TEXTS)
