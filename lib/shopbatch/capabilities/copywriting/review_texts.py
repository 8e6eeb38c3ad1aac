"""Published copy on its way to a person who reviews it: which texts, with what is known of their products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.copywriting.contents import contents_of
from shopbatch.capabilities.copywriting.copy_format import Copy
from shopbatch.capabilities.copywriting.facts import known_facts
from shopbatch.capabilities.copywriting.prompt import fenced
from shopbatch.capabilities.copywriting.review_sheet import sheet_cells
from shopbatch.capabilities.copywriting.reviews import WRITER, copy_of, latest_reviews, text_digest
from shopbatch.tables.product_descriptions import PRODUCT_DESCRIPTIONS
from shopbatch.warehouse.rows import Query, read_rows
from shopbatch.warehouse.store import Store

Facts = Mapping[str, str | None]


@dataclass(frozen=True)
class PublishedText:
    """A published text."""

    product_id: str
    language: str
    content_hash: str
    copy: Copy
    writer: str

    @property
    def digest(self) -> str:
        return text_digest(self.product_id, self.language, self.copy)


def to_review(store: Store, count: int | None, where: Sequence[str]) -> tuple[list[dict[str, str]], int]:
    """Return what has not been reviewed yet as cells of the sheet, in the order of products and languages.

    Args:
        store: The warehouse.
        count: How many texts at most; None: all.
        where: Conditions on the rows of product_descriptions, see `warehouse.filters`.

    Returns:
        The cells of each text, and the number of texts that are left out because their product has changed since.
    """
    known = latest_reviews(store)
    texts = sorted(published_texts(store, where), key=lambda text: (text.product_id, text.language))
    texts = [text for text in texts if text.writer != WRITER and text.digest not in known][:count]
    facts = facts_of(store, [text.product_id for text in texts])
    rows = [
        {
            "product_id": text.product_id,
            "language": text.language,
            "facts": "\n".join(fenced(facts[text.product_id, text.content_hash]).split("\n")[1:-1]),
            **sheet_cells(text.copy),
            "writer": text.writer,
            "text_digest": text.digest,
        }
        for text in texts
        if (text.product_id, text.content_hash) in facts
    ]
    return rows, len(texts) - len(rows)


def published_texts(store: Store, where: Sequence[str] = ()) -> Iterator[PublishedText]:
    """Read the texts of product_descriptions that meet the conditions."""
    snapshot = store.snapshot(PRODUCT_DESCRIPTIONS.name)
    for rows in read_rows(snapshot, Query(where=where)):
        names = ("product_id", "language", "content_hash", "writer")
        for row in rows.select([*names, "headline", "description", "bullets", "meta_description"]).to_pylist():
            known = {name: row[name] or "" for name in names}
            yield PublishedText(**known, copy=copy_of(row))


def facts_of(store: Store, products: Sequence[str]) -> dict[tuple[str, str], Facts]:
    """Return what is known of products, by (product_id, content hash), also by the hash that older versions stored."""
    contents = contents_of(store, products)
    facts = known_facts(contents.columns)
    return {
        (product, name): known
        for hashes in (contents.former, contents.hashes)
        for product, name, known in zip(contents.products, hashes, facts, strict=True)
    }
