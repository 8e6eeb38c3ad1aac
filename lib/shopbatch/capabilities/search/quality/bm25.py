"""Tunes three BM25 variants on judged queries, as the baselines that `evaluate_search` compares a search with.

The variants count different terms, which matters more than any parameter: whole words (in scripts without spaces, pairs
of characters, as in most search engines); stems (and single characters); all terms that the index has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.lexical import Counts, LexicalIndex, count_terms, weigh
from shopbatch.capabilities.search.product_text import lexical_fields
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.settings import LexicalSettings
from shopbatch.capabilities.search.terms import terms_of
from shopbatch.evaluation.judged import list_quality, mean

K1 = (0.2, 0.6, 1.2, 2.0)
B = (0.0, 0.3, 0.6, 0.9)


@dataclass(frozen=True)
class Baselines:
    """Makes BM25 indexes of a catalogue, limited to the terms of given queries, since no other term adds to a score.

    Attributes:
        index: The index whose products are ranked.
        settings: The lexical settings of that index.
        texts: The texts of all queries that the BM25 indexes will be searched for.
    """

    index: SearchIndex
    settings: LexicalSettings
    texts: Sequence[str]

    @cached_property
    def counts(self) -> Counts:
        """The counts of those terms of the catalogue that occur in the queries."""
        counts = count_terms(lexical_fields(self.index.products))
        asked = terms_of(pl.Series("text", self.texts, pl.String))["term"].unique()
        numbers = np.flatnonzero(counts.vocabulary.is_in(asked.implode()).to_numpy())
        kept = np.isin(counts.term, numbers)
        return Counts(
            counts.vocabulary.gather(numbers),
            np.searchsorted(numbers, counts.term[kept]).astype(np.int32),
            counts.product[kept],
            counts.field[kept],
            counts.count[kept],
            counts.lengths,
            counts.fields,
        )

    def made(self, settings: LexicalSettings) -> LexicalIndex:
        """Return the BM25 index with these settings."""
        return weigh(self.counts, settings)

    @property
    def families(self) -> dict[str, tuple[float, float, float, float, float]]:
        """The BM25 variants: name -> weights of the kinds of term, in the order of `LexicalSettings.kinds`."""
        return {
            "BM25 of words": (1.0, 0.0, 0.0, 0.0, 1.0),
            "BM25 of stems": (0.0, 1.0, 0.0, 1.0, 0.0),
            "BM25 of all terms": self.settings.kinds,
        }

    @property
    def field_weights(self) -> list[dict[str, float]]:
        """The weights of fields that `tuned` tries: those of the index, all fields alike, and the title alone.

        Fields without any text in this catalogue are left out; weights that then are equal are tried once.
        """
        filled = [name for name, row in zip(self.counts.fields, self.counts.lengths, strict=True) if row.any()]
        tried = [self.settings.fields, dict.fromkeys(self.counts.fields, 1.0), {"title": 1.0}]
        shares = []
        for weights in tried:
            here = {name: weights.get(name, 0.0) for name in filled}
            if any(here.values()) and here not in shares:
                shares.append(here)
        return shares or [self.settings.fields]


def ranked_lists(lexical: LexicalIndex, prepared: Prepared, depth: int) -> list[np.ndarray]:
    """Return the best products of each query by a BM25 index, as row numbers of the index, best first.

    Args:
        lexical: The BM25 index.
        prepared: The queries.
        depth: Number of products of a query, at most.
    """
    terms = lexical.look_up(prepared.texts)
    return [lexical.top(t, depth, plan.mask)[0] for t, plan in zip(terms, prepared.plans, strict=True)]


def tuned(baselines: Baselines, tuning: Prepared) -> dict[str, LexicalSettings]:
    """Tune each BM25 variant for the best mean nDCG@10: first the weights of the fields, then k1 and b together.

    Args:
        baselines: Makes the BM25 indexes.
        tuning: The judged queries to tune on; without any, nothing is tuned.

    Returns:
        The best settings of each variant by its name ("BM25 of words").
    """

    def quality(settings: LexicalSettings) -> float:
        lists = ranked_lists(baselines.made(settings), tuning, 10)
        values = [list_quality(r, q.judged).ndcg for r, q in zip(lists, tuning.queries, strict=True)]
        return mean(np.array(values)) if tuning.queries else 0.0

    best = {}
    for name, kinds in baselines.families.items():
        start = [baselines.settings.model_copy(update={"kinds": kinds, "fields": f}) for f in baselines.field_weights]
        chosen = max(start, key=quality) if len(start) > 1 else start[0]
        if tuning.queries:
            grid = [chosen, *(chosen.model_copy(update={"k1": k1, "b": b}) for k1 in K1 for b in B)]
            chosen = max(grid, key=quality)
        best[name] = chosen
    return best
