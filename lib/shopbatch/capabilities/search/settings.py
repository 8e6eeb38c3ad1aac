"""Settings of the lexical index, the vector search and their fusion, as configured and as stored in the index."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import Strict


class LexicalSettings(Strict):
    """Settings of the BM25F score of the lexical index."""

    k1: float = Field(default=0.3, gt=0)
    """Saturation of BM25: the lower, the less a second occurrence of a word adds to the score."""
    b: float = Field(default=0.6, ge=0, le=1)
    """Normalisation of BM25 by the length of a field: 0 for none, 1 for full (long texts count less)."""
    fields: dict[str, float] = Field(
        default={"title": 1.0, "brand": 0.5, "category": 0.5, "type": 0.5, "attributes": 0.3, "description": 0.4}
    )
    """Weight of each field: title, brand, category, type, attributes, description. A field that is not named weighs
    0."""
    kinds: tuple[float, float, float, float, float] = (0.3, 1.0, 0.5, 1.0, 0.3)
    """Weights of the kinds of term, in this order: whole words, stems, codes (tn2110), and the characters and pairs of
    characters of scripts without spaces."""


class VectorSettings(Strict):
    """Settings of the search for the nearest vectors."""

    kind: Literal["auto", "exact", "ivf"] = "auto"
    """exact: a query reads every vector. ivf: the vectors are grouped into lists (k-means), and a query without
    conditions reads only the nearest lists. auto: lists, if there are at least `from_products` products and a query
    then reads at most a quarter of them."""
    from_products: int = Field(default=100_000, ge=1)
    """Number of products from which `auto` makes lists; for fewer, an exact search is as fast."""
    recall: float = Field(default=0.98, gt=0, le=1)
    """Share of the true nearest products that a search of lists must find, 0 to 1. A query reads as many lists as that
    takes, measured against the exact search when an index is built. Higher is slower."""
    nearest: int = Field(default=100, ge=1, le=1000)
    """How many nearest products of a query `recall` is measured on."""
    seed: int = 0
    """Seed of the k-means that makes the lists."""

    def makes_lists(self, products: int) -> bool:
        """Return True if vectors of a catalogue of this size are grouped into lists when its index is built.

        With `kind=auto` the lists may be dropped again, if a query would have to read too many (see
        `list_choice.choose`).
        """
        return self.kind == "ivf" or (self.kind == "auto" and products >= self.from_products)


class FusionSettings(Strict):
    """Settings for combining the lexical (words) and the dense (vectors) score of a product into one."""

    method: Literal["rrf", "convex"] = "rrf"
    """rrf: reciprocal rank fusion, which needs no labelled queries. convex: weighted sum of the scores, with weights
    tuned on labelled queries."""
    dense: dict[str, float] = Field(default_factory=dict)
    """Weight of the dense score, 0 to 1, by `language of the query-language of the product` (`zh-en`); `zh-*` stands
    for the other pairs of a language, `*` for all others. Default: 0.3, since words are the better guide, and 0.75
    where the languages differ and words rarely match."""
    depth: int = Field(default=1000, ge=10)
    """How many products of each of the two rankings are combined. Fewer is faster, and may miss products that are good
    in both."""
    queries: int = Field(default=0, ge=0)
    """Number of labelled queries that the weights were tuned on; 0 if they were not tuned."""
    judgements: str = ""
    """The version of `judgements` that the weights were tuned on, or `search_judgements@VERSION`; empty if they were
    not tuned."""

    def share(self, query: str, product: str) -> float:
        """Return the weight of the dense score, 0 to 1, for a query's and a product's language."""
        usual = 0.3 if query == product or "und" in (query, product) else 0.75
        return self.dense.get(f"{query}-{product}", self.dense.get(f"{query}-*", self.dense.get("*", usual)))
