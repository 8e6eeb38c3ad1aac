"""How products are scored: settings of the lexical index, the vectors and the fusion, as the index keeps them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import Strict


class LexicalSettings(Strict):
    """How the lexical index scores."""

    k1: float = Field(default=0.3, gt=0)
    """Saturation of BM25: the lower, the less a second occurrence of a word counts."""
    b: float = Field(default=0.6, ge=0, le=1)
    """Normalisation of BM25 by a field's length: 0 for none, 1 for full."""
    fields: dict[str, float] = Field(
        default={"title": 1.0, "brand": 0.5, "category": 0.5, "type": 0.5, "attributes": 0.3, "description": 0.4}
    )
    """Weight of each field: title, brand, category, type, attributes, description."""
    kinds: tuple[float, float, float, float, float] = (0.3, 1.0, 0.5, 1.0, 0.3)
    """Weights of whole words, stems, codes, characters and pairs of characters (of scripts without spaces)."""


class VectorSettings(Strict):
    """How the nearest vectors are looked for."""

    kind: Literal["auto", "exact", "ivf"] = "auto"
    """exact: every vector is read. ivf: the vectors are put into lists (k-means), and a query without conditions reads
    the nearest lists only. auto: lists, if there are many products and a query then reads at most a quarter of them."""
    from_products: int = Field(default=100_000, ge=1)
    """Fewest products for which `auto` makes lists; an exact search of fewer is as fast."""
    recall: float = Field(default=0.98, gt=0, le=1)
    """Share of the nearest products that must be found. A query reads as many lists as that takes, measured against the
    exact search of each new index."""
    nearest: int = Field(default=100, ge=1, le=1000)
    """How many nearest products `recall` is about."""
    seed: int = 0
    """Seed of the lists."""

    def makes_lists(self, products: int) -> bool:
        """Whether a catalogue of so many products is put into lists, if that then pays."""
        return self.kind == "ivf" or (self.kind == "auto" and products >= self.from_products)


class FusionSettings(Strict):
    """How the lexical and the dense score become one."""

    method: Literal["rrf", "convex"] = "rrf"
    """rrf: reciprocal ranks, which needs no labels. convex: weighted scores, tuned on labelled queries."""
    dense: dict[str, float] = Field(default_factory=dict)
    """The share of the dense side by `language of the query-language of the product` (`zh-en`); `zh-*` stands for the
    pairs of a language that are not named, `*` for all others. Without any it is 0.3, since words are the better guide,
    and 0.75 where the two languages differ, since few words of one stand in the other."""
    depth: int = Field(default=1000, ge=10)
    """How many products of each list are fused."""
    queries: int = Field(default=0, ge=0)
    """How many labelled queries the weights were tuned on."""
    judgements: str = ""
    """The version of `judgements` that the weights were tuned on, or `search_judgements@VERSION`; empty if they were
    not tuned."""

    def share(self, query: str, product: str) -> float:
        """Return the share of the dense score for a pair of languages."""
        usual = 0.3 if query == product or "und" in (query, product) else 0.75
        return self.dense.get(f"{query}-{product}", self.dense.get(f"{query}-*", self.dense.get("*", usual)))
