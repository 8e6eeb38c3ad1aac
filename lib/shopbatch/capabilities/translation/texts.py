"""Reads texts from products, copy, ads and replies, and makes them rows of `product_texts` or `reply_texts`.

A row holds one text with its language, the brand that it names, and the glossary entries of its terms.
"""

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
    """One text that is to be translated.

    Attributes:
        text_id: Key of the text, for example "title:P17"; for a reply the ticket's id.
        item_id: Id of the product, ad or ticket that the text belongs to.
        kind: One of `TEXT_KINDS`: title, description, headline, copy, bullet, meta, ad_title, ad_text, reply.
        language: ISO 639-1 code that the table states; None if it states none.
        text: The text.
        brand: Brand of the product; None if unknown.
        user_id: The customer whom a reply is for; None for other texts.
    """

    text_id: str
    item_id: str
    kind: str
    language: str | None
    text: str
    brand: str | None = None
    user_id: str | None = None


def product_texts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Yield the titles and descriptions of products.

    Args:
        rows: Rows of `products` with product_id, title, description, brand, language.
    """
    for row in rows:
        for kind in ("title", "description"):
            if row[kind]:
                product = row["product_id"]
                yield Text(f"{kind}:{product}", product, kind, code_of(row["language"]), row[kind], row["brand"])


def copy_texts(rows: Sequence[Mapping[str, Any]], brands: Mapping[str, str]) -> Iterator[Text]:
    """Yield the texts of published product copy: headlines, descriptions, meta descriptions and bullets.

    Args:
        rows: Rows of `product_descriptions` with product_id, language, headline, description, bullets,
            meta_description.
        brands: {product id: brand}.
    """
    for row in rows:
        product, language = row["product_id"], row["language"]
        parts = [("headline", row["headline"]), ("copy", row["description"]), ("meta", row["meta_description"])]
        parts += [("bullet", bullet) for bullet in row["bullets"] or ()]
        for n, (kind, text) in enumerate(parts):
            if text:
                yield Text(f"{kind}:{product}:{language}:{n}", product, kind, language, text, brands.get(product))


def ad_texts(rows: Sequence[Mapping[str, Any]], brands: Mapping[str, str]) -> Iterator[Text]:
    """Yield the title and text of every variant of the ads.

    Args:
        rows: Rows of `ads` with ad_id, product_id, language, variants.
        brands: {product id: brand}.
    """
    for row in rows:
        for variant in row["variants"] or ():
            for kind, text in (("ad_title", variant["title"]), ("ad_text", variant["text"])):
                if text:
                    name = f"{kind}:{variant['variant_id']}"
                    yield Text(name, row["ad_id"], kind, row["language"], text, brands.get(row["product_id"]))


def reply_texts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Yield the replies to support tickets.

    Args:
        rows: Rows of `ticket_answers` with ticket_id, user_id, language, reply.
    """
    for row in rows:
        if row["reply"]:
            ticket = row["ticket_id"]
            yield Text(ticket, ticket, "reply", code_of(row["language"]), row["reply"], user_id=row["user_id"])


def code_of(language: str | None) -> str | None:
    """Normalise the language that a table states into an ISO 639-1 code ("en-US" -> "en").

    Returns:
        The code; None for null, "", "und" and "unknown".
    """
    code = (language or "").split("-")[0].split("_")[0].lower()
    return None if code in _NOT_SAID else code


def rows_of(texts: Sequence[Text], schema: pa.Schema, glossary: Glossary, default: str | None, run_id: str) -> pa.Table:
    """Make table rows of texts: find the language, brand and glossary entries of each; leave out texts without a word.

    The language is the one that the table states, else the one recognised from the text, else `default`.

    Args:
        texts: The texts.
        schema: Schema of the table that the rows are for: `product_texts` or `reply_texts`.
        glossary: The shop's glossary.
        default: Language of texts that state none and whose language is not recognised; None: it stays null.
        run_id: The run that writes the rows.

    Returns:
        A table with the columns of `schema`, one row per text that has a word.
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
    """Recognise the language of each text for which its table states none.

    Returns:
        One ISO 639-1 code per text; None where the table states a language or none is recognised.
    """
    unknown = [i for i, text in enumerate(texts) if text.language is None]
    out: list[str | None] = [None] * len(texts)
    if unknown:
        guesses = guess_language(pa.array([texts[i].text for i in unknown], pa.string())).to_pylist()
        for i, guess in zip(unknown, guesses, strict=True):
            out[i] = guess
    return out
