"""The catalogue as the guide uses it: rows, what they state, and what ranks them."""

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
    """One product of a ranking: its number in the catalogue, and its scores; nan for a part that does not know it."""

    number: int
    score: float
    lexical: float
    dense: float


class Retriever(Protocol):
    """What ranks products."""

    def search(self, text: str, language: str, vector: np.ndarray | None, mask: np.ndarray, k: int) -> list[Ranked]:
        """Return the best products, best first.

        Args:
            text: What is searched for.
            language: ISO 639-1 code of it.
            vector: Its vector, float32 [dim]; None if the retriever needs none.
            mask: bool [products]: those that may be returned.
            k: Most products.
        """


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The products, one row each, sorted by product_id.

    Attributes:
        products: The columns of READ.
        facts: What the rows state.
        vocabulary: The names that they use.
    """

    products: pa.Table
    facts: Facts
    vocabulary: Vocabulary

    @classmethod
    def of(cls, products: pa.Table) -> Catalogue:
        """Read a catalogue. Of several rows of a product the latest counts.

        Args:
            products: Rows of `products` with the columns of READ.
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
        """Return one row."""
        row: dict[str, Any] = self.products.slice(number, 1).to_pylist()[0]
        return row

    @cached_property
    def ids(self) -> list[str]:
        """The products' names."""
        ids: list[str] = self.products["product_id"].to_pylist()
        return ids

    @cached_property
    def for_children(self) -> np.ndarray:
        """Whether a product is for children or babies, bool [n]: who does not ask for that sees it last."""
        out = np.zeros(self.facts.rows, bool)
        for group in ("age=kids", "age=baby"):
            out[self.facts.stated.get(group, np.zeros(0, np.int64))] = True
        return out

    @cached_property
    def mean_prices(self) -> dict[tuple[str, str], float]:
        """The mean price now by (type of product, currency), the type as `key_of` writes it."""
        columns = (self.products[name].to_pylist() for name in ("product_type", "currency"))
        prices: dict[tuple[str, str], list[float]] = {}
        for kind, currency, price in zip(*columns, self.facts.price.tolist(), strict=True):
            if price > 0:
                prices.setdefault((key_of(kind or ""), currency or ""), []).append(price)
        return {key: sum(some) / len(some) for key, some in prices.items()}

    def categorised(self, phrase: str) -> np.ndarray:
        """Return whether a product's category names something, bool [n]."""
        pattern = phrase_pattern(phrase)
        return np.array([bool(text and says(text, pattern)) for text in self._categories], bool)

    @cached_property
    def _categories(self) -> list[str | None]:
        names: list[str | None] = self.products["category"].to_pylist()
        return names

    @cached_property
    def in_stock(self) -> np.ndarray:
        """Whether a product is not out of stock, bool [n]."""
        return np.array([a != "out_of_stock" for a in self.products["availability"].to_pylist()], bool)


class WordRetriever:
    """Ranks by the words of the catalogue alone (BM25F); needs no model."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the words of a catalogue."""
        counts = count_terms(lexical_fields(catalogue.products))
        self.index: LexicalIndex = weigh(counts, LexicalSettings())

    def search(self, text: str, language: str, vector: np.ndarray | None, mask: np.ndarray, k: int) -> list[Ranked]:
        """As the protocol says."""
        numbers, scores = self.index.top(self.index.look_up([text])[0], k, mask)
        pairs = zip(numbers.tolist(), scores.tolist(), strict=True)
        return [Ranked(number, score, score, float("nan")) for number, score in pairs]


class IndexRetriever:
    """Ranks by the published index. Products that the index does not have are not ranked."""

    def __init__(self, catalogue: Catalogue, index: SearchIndex) -> None:
        """Match the index's products with the catalogue's."""
        self.index = index
        numbers = {name: number for number, name in enumerate(catalogue.ids)}
        self.numbers = np.array([numbers.get(name, -1) for name in index.products["product_id"].to_pylist()], np.int64)

    def search(self, text: str, language: str, vector: np.ndarray | None, mask: np.ndarray, k: int) -> list[Ranked]:
        """As the protocol says."""
        if vector is None or not len(self.numbers):
            return []
        inside = np.where(self.numbers >= 0, mask[self.numbers], False)
        terms = self.index.lexical.look_up([text])
        best = self.index.search(terms, vector[None, :], [language], [inside], k)[0]
        columns = (self.numbers[best.products], best.scores, best.lexical, best.dense)
        return [Ranked(int(n), float(s), float(a), float(b)) for n, s, a, b in zip(*columns, strict=True)]
