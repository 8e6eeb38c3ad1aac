"""Selects published copy for human review, with the attributes of its products.

Used by the command that writes the review sheet and by review_load.py, which reads the sheet back.
"""

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
    """A row of `product_descriptions`: the published copy of a product in one language.

    Attributes:
        product_id: The product.
        language: ISO 639 code of the copy.
        content_hash: Hash of the product's content at the time when the copy was written.
        copy: The copy.
        writer: Writer of the copy: plan, model, repaired or review.
    """

    product_id: str
    language: str
    content_hash: str
    copy: Copy
    writer: str

    @property
    def digest(self) -> str:
        """Return the digest that identifies the text in review sheets."""
        return text_digest(self.product_id, self.language, self.copy)


def to_review(store: Store, count: int | None, where: Sequence[str]) -> tuple[list[dict[str, str]], int]:
    """Return the published texts that nobody has reviewed yet, as rows of a review sheet.

    The rows are sorted by product and language.

    Args:
        store: The warehouse.
        count: Maximum number of texts; None: all.
        where: Conditions on the rows of `product_descriptions`, such as "language=en" (syntax: `warehouse.filters`).

    Returns:
        For each text its cells, {column of the sheet: text}; and the number of texts that are left out because their
        product changed after they were written.
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
    """Yield the texts of `product_descriptions` that meet the conditions.

    Args:
        store: The warehouse.
        where: Conditions on its rows, such as "language=en" (syntax: `warehouse.filters`); (): all texts.
    """
    snapshot = store.snapshot(PRODUCT_DESCRIPTIONS.name)
    for rows in read_rows(snapshot, Query(where=where)):
        names = ("product_id", "language", "content_hash", "writer")
        for row in rows.select([*names, "headline", "description", "bullets", "meta_description"]).to_pylist():
            known = {name: row[name] or "" for name in names}
            yield PublishedText(**known, copy=copy_of(row))


def facts_of(store: Store, products: Sequence[str]) -> dict[tuple[str, str], Facts]:
    """Read the present attributes of products.

    Args:
        store: The warehouse.
        products: The product_id of each.

    Returns:
        {(product_id, content hash): attributes}. Each product has two keys: its present hash, and the hash that earlier
        versions of the software computed for the same content.
    """
    contents = contents_of(store, products)
    facts = known_facts(contents.columns)
    return {
        (product, name): known
        for hashes in (contents.former, contents.hashes)
        for product, name, known in zip(contents.products, hashes, facts, strict=True)
    }
