"""The lexical (BM25F) index: counts the terms of a catalogue, scores its postings, and ranks products for a query.

The score is BM25F (Robertson, Zaragoza and Taylor 2004): the counts of a term in a product's fields are divided by the
field's relative length, weighted and added before they are saturated. The score that a posting (a term in a product)
adds does not depend on the query. So it is computed when the index is built, and a query only adds up postings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from shopbatch.capabilities.search.settings import LexicalSettings
from shopbatch.capabilities.search.terms import CHARACTER, KINDS, STEM, terms_of
from shopbatch.vectors.ranking import best

BLOCK = 65_536  # products whose texts are split into terms at once
_NONE = pl.DataFrame(schema={"number": pl.Int32, "row": pl.UInt32, "count": pl.UInt32, "field": pl.Int32})


@dataclass(frozen=True)
class Counts:
    """Counts of each term in each field of each product: n entries, sorted by term, product and field.

    Attributes:
        vocabulary: The distinct terms, sorted, [terms].
        term: Number of each entry's term, which is its position in `vocabulary`, int32 [n].
        product: Number of each entry's product, int32 [n].
        field: Number of each entry's field, which is its position in `fields`, int32 [n].
        count: How often the term occurs in that field of that product, float32 [n].
        lengths: Number of words or characters in each field of each product, float32 [fields, products].
        fields: Names of the fields.
    """

    vocabulary: pl.Series
    term: np.ndarray
    product: np.ndarray
    field: np.ndarray
    count: np.ndarray
    lengths: np.ndarray
    fields: tuple[str, ...]


def count_terms(columns: Mapping[str, pl.Series]) -> Counts:
    """Count the terms of a catalogue, in blocks of BLOCK products; `weigh` makes the index from the counts.

    Args:
        columns: The text of each field by the field's name, String [products].
    """
    products = len(next(iter(columns.values())))
    lengths = np.zeros((len(columns), products), np.float32)
    numbers, pieces = pl.DataFrame(schema={"term": pl.String, "number": pl.Int32}), []
    for start in range(0, products, BLOCK):  # in blocks, so that the terms' texts are held for one block only
        for number, texts in enumerate(columns.values()):
            block = terms_of(texts.slice(start, BLOCK)).with_columns(pl.col("row") + start)
            # a word and its stem are one word of the text, a character and its pairs one character: count each once
            whole = block.filter(pl.col("term").str.slice(0, 1).is_in([STEM, CHARACTER]))
            np.add.at(lengths[number], whole["row"].to_numpy(), whole["count"].to_numpy())
            new = block.select(pl.col("term").unique()).join(numbers, on="term", how="anti").sort("term")
            rising = pl.arange(len(numbers), len(numbers) + len(new), eager=True, dtype=pl.Int32)
            numbers = pl.concat([numbers, new.with_columns(rising.alias("number"))])
            named = block.join(numbers, on="term").select("number", "row", "count")
            pieces.append(named.with_columns(pl.lit(number, pl.Int32).alias("field")))
    # so far terms are numbered as they occur; the index numbers them in the order of the sorted vocabulary
    order = numbers["term"].arg_sort().to_numpy()
    sorted_number = np.empty(len(order), np.int32)
    sorted_number[order] = np.arange(len(order))
    vocabulary = numbers["term"].gather(order)
    entries = pl.concat(pieces) if pieces else _NONE
    entries = entries.with_columns(pl.Series("number", sorted_number[entries["number"].to_numpy()]))
    entries = entries.sort("number", "row", "field")
    return Counts(
        vocabulary,
        entries["number"].to_numpy(),
        entries["row"].to_numpy().astype(np.int32),
        entries["field"].to_numpy(),
        entries["count"].to_numpy().astype(np.float32),
        lengths,
        tuple(columns),
    )


@dataclass(frozen=True)
class LexicalIndex:
    """The lexical index of a catalogue: for each term the products that contain it, with scores.

    Attributes:
        vocabulary: The terms, sorted, String [terms].
        starts: Where the postings of each term begin, and where the last ones end, int64 [terms + 1].
        products: The product of each posting, ascending within a term, int32 [postings].
        scores: The score that the posting adds to the product, float32 [postings].
        size: Number of products.
    """

    vocabulary: pl.Series
    starts: np.ndarray
    products: np.ndarray
    scores: np.ndarray
    size: int

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each term, which is its position in `vocabulary`."""
        return {term: number for number, term in enumerate(self.vocabulary.to_list())}

    def look_up(self, texts: Sequence[str]) -> list[QueryTerms]:
        """Split queries into terms, and look the terms up in the index; returns one `QueryTerms` per query."""
        out = [QueryTerms() for _ in texts]
        for row, term, count in terms_of(pl.Series("text", texts, pl.String)).sort("row", "term").iter_rows():
            number = self.numbers.get(term)
            if number is None:
                out[row].unknown.append(term)
            else:
                out[row].terms.append(term)
                out[row].numbers.append(number)
                out[row].counts.append(float(count))
        return out

    def score(self, query: QueryTerms) -> np.ndarray:
        """Return the score of every product for a query, float32 [products]; 0 where no term of the query occurs."""
        spans = [slice(*self.starts[n : n + 2]) for n in query.numbers]
        if not spans:
            return np.zeros(self.size, np.float32)
        weights = np.concatenate([self.scores[s] * c for s, c in zip(spans, query.counts, strict=True)])
        products = np.concatenate([self.products[s] for s in spans])
        return np.bincount(products, weights, self.size).astype(np.float32)

    def top(self, query: QueryTerms, k: int, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the best products for a query, best first; of equal scores the lower row number first.

        Args:
            query: The query's terms.
            k: Number of products, at most.
            mask: The products that may be returned, bool [products]; None: all.

        Returns:
            The products as row numbers of the index, and their scores, [at most k] each; only products with a score
            above 0.
        """
        scores = self.score(query)
        hit = scores > 0 if mask is None else (scores > 0) & mask
        products = np.flatnonzero(hit)
        chosen = best(scores[products], products, k)
        return products[chosen], scores[products[chosen]]


@dataclass(frozen=True)
class QueryTerms:
    """The terms of one query, looked up in an index.

    Attributes:
        terms: The terms that the index has.
        numbers: The number of each of `terms` in the index.
        counts: How often each of `terms` occurs in the query.
        unknown: The terms that the index does not have.
    """

    terms: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def weigh(counts: Counts, settings: LexicalSettings) -> LexicalIndex:
    """Compute the BM25F score of each term in each product, and return the scores as a lexical index.

    Args:
        counts: The counts of `count_terms`.
        settings: The parameters of BM25F. Postings whose score is 0 (a field of weight 0) are left out.
    """
    size = counts.lengths.shape[1]
    entry = np.zeros(len(counts.term), np.float32)
    for number, name in enumerate(counts.fields):
        weight, lengths = settings.fields.get(name, 0.0), counts.lengths[number]
        mean = lengths.sum() / max(1, np.count_nonzero(lengths))
        here = counts.field == number
        share = 1 - settings.b + settings.b * lengths[counts.product[here]] / max(mean, 1e-9)
        entry[here] = weight * counts.count[here] / share
    new = np.ones(len(entry), bool)
    new[1:] = (counts.term[1:] != counts.term[:-1]) | (counts.product[1:] != counts.product[:-1])
    first = np.flatnonzero(new)
    frequency = np.add.reduceat(entry, first) if len(first) else entry
    term, product = counts.term[first], counts.product[first]
    starts = np.searchsorted(term, np.arange(len(counts.vocabulary) + 1))
    in_products = np.diff(starts)
    idf = np.log1p((size - in_products + 0.5) / (in_products + 0.5))
    kinds = counts.vocabulary.str.slice(0, 1).to_list()
    factor = idf * np.array([settings.kinds[KINDS.index(kind)] for kind in kinds])
    scores = factor[term] * (settings.k1 + 1) * frequency / (settings.k1 + frequency)
    keep = scores > 0
    starts = np.searchsorted(term[keep], np.arange(len(counts.vocabulary) + 1))
    return LexicalIndex(counts.vocabulary, starts, product[keep], scores[keep].astype(np.float32), size)
