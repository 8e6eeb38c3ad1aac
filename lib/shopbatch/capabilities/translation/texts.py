"""The texts of products, copy, ads and replies, a row each, with their language, brands and terms of the glossary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.translation.glossary import Glossary
from shopbatch.text.language import guess_language
from shopbatch.text.visible import has_word

VERSION = 1
_NO_BRANDS = frozenset({"national", "private", "no brand", "generic", "none", "n/a"})
_NOT_SAID = frozenset({"", "und", "unknown"})


@dataclass(frozen=True)
class Text:
    """A text that is to be translated."""

    text_id: str
    item_id: str
    kind: str
    language: str | None
    text: str
    brand: str | None = None
    user_id: str | None = None


def product_texts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Yield title and description of products. rows: product_id, title, description, brand, language."""
    for row in rows:
        for kind in ("title", "description"):
            if row[kind]:
                product = row["product_id"]
                yield Text(f"{kind}:{product}", product, kind, code_of(row["language"]), row[kind], row["brand"])


def copy_texts(rows: Sequence[Mapping[str, Any]], brands: Mapping[str, str]) -> Iterator[Text]:
    """Yield the texts of published copy: headline, description, bullets, meta_description."""
    for row in rows:
        product, language = row["product_id"], row["language"]
        parts = [("headline", row["headline"]), ("copy", row["description"]), ("meta", row["meta_description"])]
        parts += [("bullet", bullet) for bullet in row["bullets"] or ()]
        for n, (kind, text) in enumerate(parts):
            if text:
                yield Text(f"{kind}:{product}:{language}:{n}", product, kind, language, text, brands.get(product))


def ad_texts(rows: Sequence[Mapping[str, Any]], brands: Mapping[str, str]) -> Iterator[Text]:
    """Yield the texts of ads. rows: ad_id, product_id, language, variants."""
    for row in rows:
        for variant in row["variants"] or ():
            for kind, text in (("ad_title", variant["title"]), ("ad_text", variant["text"])):
                if text:
                    name = f"{kind}:{variant['variant_id']}"
                    yield Text(name, row["ad_id"], kind, row["language"], text, brands.get(row["product_id"]))


def reply_texts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Yield the replies to tickets. rows: ticket_id, user_id, language, reply."""
    for row in rows:
        if row["reply"]:
            ticket = row["ticket_id"]
            yield Text(ticket, ticket, "reply", code_of(row["language"]), row["reply"], user_id=row["user_id"])


def code_of(language: str | None) -> str | None:
    """Return the ISO 639-1 code of a language as a table names it: en-US is en, und is none."""
    code = (language or "").split("-")[0].split("_")[0].lower()
    return None if code in _NOT_SAID else code


def rows_of(texts: Sequence[Text], schema: pa.Schema, glossary: Glossary, default: str | None, run_id: str) -> pa.Table:
    """Make rows of texts: texts without a word are left out, unknown languages are recognised.

    Args:
        texts: The texts.
        schema: Of the table that they are for.
        glossary: The shop's glossary.
        default: The language of texts that tell none; None: they have none.
        run_id: The run.
    """
    if not texts:
        return schema.empty_table()
    seen = has_word(pa.array([text.text for text in texts], pa.string())).to_pylist()
    kept = [text for text, says in zip(texts, seen, strict=True) if says]
    guessed = _languages(kept)
    made = []
    for text, recognised in zip(kept, guessed, strict=True):
        language = text.language or recognised or default
        brand = (text.brand or "").strip()
        named = bool(brand) and brand.lower() not in _NO_BRANDS and brand.lower() in text.text.lower()
        made.append(
            {
                "text_id": text.text_id,
                "ticket_id": text.text_id,
                "item_id": text.item_id,
                "user_id": text.user_id,
                "kind": text.kind,
                "source_language": language,
                "text": text.text,
                "brands": [brand] if named else None,
                "glossary": glossary.entries(text.text, language),
                "run_id": run_id,
            }
        )
    return pa.Table.from_pylist(made, schema)


def _languages(texts: Sequence[Text]) -> list[str | None]:
    """The language of each text that its table does not state; None for the others, and where nothing tells it."""
    unknown = [i for i, text in enumerate(texts) if text.language is None]
    out: list[str | None] = [None] * len(texts)
    if unknown:
        guesses = guess_language(pa.array([texts[i].text for i in unknown], pa.string())).to_pylist()
        for i, guess in zip(unknown, guesses, strict=True):
            out[i] = guess
    return out
