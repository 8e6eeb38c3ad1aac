"""Turns the input rows of `shopbatch try` and `shopbatch score` into rows of `product_texts` or `reply_texts`."""

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
    """Return a function that turns the user's input rows into rows of `table` (PRODUCT_TEXTS or REPLY_TEXTS)."""

    def rows(config: TranslateRepliesConfig, store: Store, given: Sequence[Mapping[str, Any]]) -> _Rows:
        """Turn the user's input rows into text rows with language and glossary entries, as a run would.

        The brand is taken only from the input row; the table `products` is not read.

        Args:
            config: Settings of the job.
            store: The warehouse, whose glossary is read.
            given: Rows with a column `text`, or rows of the first source table of the job (such as `products`).

        Returns:
            Rows of the text table, as dictionaries.

        Raises:
            UserError: A row without `text` has a column that the source table does not have.
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
    """Add `source_language` and `glossary` to a row with a text.

    The language is the one that the row states, else the one recognised from the text, else `default`. A row whose
    `text` is no string is returned unchanged.
    """
    text = row["text"]
    if not isinstance(text, str):
        return dict(row)
    guessed = row.get("source_language") or guess_language(pa.array([text])).to_pylist()[0] or default
    return {"glossary": glossary.entries(text, guessed), **row, "source_language": guessed}


product_rows, reply_rows = _rows_for(PRODUCT_TEXTS), _rows_for(REPLY_TEXTS)
