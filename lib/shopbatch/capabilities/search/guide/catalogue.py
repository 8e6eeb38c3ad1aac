"""The catalogue that the shopping guide answers from: products, the facts they state, and retrievers to rank them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.search.filters import Facts, facts_of
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.lexical import LexicalIndex, count_terms, weigh
from shopbatch.capabilities.search.product_text import lexical_fields
from shopbatch.capabilities.search.settings import LexicalSettings
from shopbatch.capabilities.search.statements import COLUMNS, phrase_pattern, says
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary, key_of

READ = tuple(dict.fromkeys((*COLUMNS, "department", "availability", "updated_at")))


@dataclass(frozen=True)
class Ranked:
    """One product of a ranking.

    Attributes:
        number: Row of the product in `Catalogue.products`, from 0.
        score: The score that the ranking is sorted by.
        lexical: The BM25F score of the request's words; nan if the search by words did not find the product.
        dense: The similarity of the vectors; nan if the search by vectors did not find the product.
    """

    number: int
    score: float
    lexical: float
    dense: float


class Retriever(Protocol):
    """Ranks the products of a catalogue for a request."""

    def search(self, text: str, language: str, vector: np.ndarray | None, mask: np.ndarray, k: int) -> list[Ranked]:
        """Return the best products for a text, best first.

        Args:
            text: The text to search for.
            language: ISO 639-1 code of the text.
            vector: The text's vector, float32 [dim]; None if the retriever needs none.
            mask: The products that may be returned, bool [products].
            k: Number of products, at most.
        """


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The products of a shop, one row each, sorted by `product_id`.

    Attributes:
        products: The columns of `READ`: those of `statements.COLUMNS`, and department, availability and updated_at.
        facts: The facts that the rows state, ready for filtering.
        vocabulary: The types of product, brands and words that occur in the rows.
    """

    products: pa.Table
    facts: Facts
    vocabulary: Vocabulary

    @classmethod
    def of(cls, products: pa.Table) -> Catalogue:
        """Build the catalogue from rows of `products`; of several rows with one `product_id` the latest is used.

        Args:
            products: Rows of `products` with the columns of `READ`.
        """
        numbered = pl.DataFrame(
            {
                "id": pl.Series(products["product_id"]),
                "at": pl.Series(products["updated_at"]),
                "row": np.arange(products.num_rows),
            }
        )
        latest = numbered.drop_nulls("id").sort("id", "at", "row", nulls_last=False).unique("id", keep="last")
        rows = products.take(pa.array(latest.sort("id")["row"].to_numpy()))
        vocabulary = Vocabulary.from_products(rows)
        facts = facts_of(rows, vocabulary)
        return cls(rows, facts, replace(vocabulary, stated=facts.kinds | facts.mentioned_kinds))

    def row(self, number: int) -> Mapping[str, Any]:
        """Return a product's row of `products` as a dict (column -> value); `number` is the row's number, from 0."""
        row: dict[str, Any] = self.products.slice(number, 1).to_pylist()[0]
        return row

    @cached_property
    def ids(self) -> list[str]:
        """The `product_id` of each row of `products`."""
        ids: list[str] = self.products["product_id"].to_pylist()
        return ids

    @cached_property
    def for_children(self) -> np.ndarray:
        """Mask of the products for children or babies, bool [n].

        They come last if a request does not ask for an age.
        """
        out = np.zeros(self.facts.rows, bool)
        for group in ("age=kids", "age=baby"):
            out[self.facts.stated.get(group, np.zeros(0, np.int64))] = True
        return out

    @cached_property
    def mean_prices(self) -> dict[tuple[str, str], float]:
        """Mean current price by (type of product, currency).

        The type is normalised by `key_of`; a type or currency that a row does not state is "".
        """
        columns = (self.products[name].to_pylist() for name in ("product_type", "currency"))
        prices: dict[tuple[str, str], list[float]] = {}
        for kind, currency, price in zip(*columns, self.facts.price.tolist(), strict=True):
            if price > 0:
                prices.setdefault((key_of(kind or ""), currency or ""), []).append(price)
        return {key: sum(some) / len(some) for key, some in prices.items()}

    def categorised(self, phrase: str) -> np.ndarray:
        """Return a mask, bool [n]: True where the product's category contains the phrase."""
        pattern = phrase_pattern(phrase)
        return np.array([bool(text and says(text, pattern)) for text in self._categories], bool)

    @cached_property
    def _categories(self) -> list[str | None]:
        names: list[str | None] = self.products["category"].to_pylist()
        return names

    @cached_property
    def in_stock(self) -> np.ndarray:
        """Mask of the products that are not out of stock, bool [n]."""
        return np.array([a != "out_of_stock" for a in self.products["availability"].to_pylist()], bool)


class WordRetriever:
    """Ranks products by the words of the catalogue alone (BM25F); needs neither an index nor a model."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the words of a catalogue.

        Args:
            catalogue: The catalogue.
        """
        counts = count_terms(lexical_fields(catalogue.products))
        self.index: LexicalIndex = weigh(counts, LexicalSettings())

    def search(self, text: str, language: str, vector: np.ndarray | None, mask: np.ndarray, k: int) -> list[Ranked]:
        """Rank the products of the mask by BM25F; `language` and `vector` are ignored."""
        numbers, scores = self.index.top(self.index.look_up([text])[0], k, mask)
        pairs = zip(numbers.tolist(), scores.tolist(), strict=True)
        return [Ranked(number, score, score, float("nan")) for number, score in pairs]


class IndexRetriever:
    """Ranks products by the index of `embed_products`. Products that are missing in the index are not returned."""

    def __init__(self, catalogue: Catalogue, index: SearchIndex) -> None:
        """Match the products of the index with those of the catalogue by their ids.

        Args:
            catalogue: The catalogue.
            index: The index.
        """
        self.index = index
        numbers = {name: number for number, name in enumerate(catalogue.ids)}
        self.numbers = np.array([numbers.get(name, -1) for name in index.products["product_id"].to_pylist()], np.int64)

    def search(self, text: str, language: str, vector: np.ndarray | None, mask: np.ndarray, k: int) -> list[Ranked]:
        """Rank the products of the mask by words and vectors; returns [] without a vector."""
        if vector is None or not len(self.numbers):
            return []
        inside = np.where(self.numbers >= 0, mask[self.numbers], False)
        terms = self.index.lexical.look_up([text])
        best = self.index.search(terms, vector[None, :], [language], [inside], k)[0]
        columns = (self.numbers[best.products], best.scores, best.lexical, best.dense)
        return [Ranked(int(n), float(s), float(a), float(b)) for n, s, a, b in zip(*columns, strict=True)]
