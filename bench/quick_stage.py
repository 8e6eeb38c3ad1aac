"""A stage of score_reviews that does almost no work, so that benchmarks measure only the machinery around a stage.

The fake engine makes each result from a hash of the text, and the language is not guessed. bench/machinery.py (with
--quick) and bench/scale.py use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.head import LABELS
from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage, review_text


class QuickScorer(SentimentScorer):
    """The scorer of `QuickStage`: it scores reviews without guessing their language."""

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return the raw results of a batch: the probabilities of the labels, null languages, and token counts."""
        encoded = self.encoder.encode(review_text(content))
        language = pa.nulls(content.num_rows, pa.string())
        p = self.head.probabilities(encoded.vectors, language)
        columns = {f"p_{label}": pa.array(p[:, i]) for i, label in enumerate(LABELS)}
        columns |= {"language": language, "answered_by": language}
        return pa.table(columns | {"tokens": pa.array(encoded.tokens.astype(np.int32))})


@dataclass(frozen=True)
class QuickStage(SentimentStage):
    """The stage of score_reviews for benchmarks: it opens a `QuickScorer`, which does not guess languages."""

    def recipe(self) -> Mapping[str, Any]:
        """Return the recipe of score_reviews (all that decides its results), marked as quick.

        The mark keeps quick results apart from real ones in the memo (the cache of results).
        """
        return {**super().recipe(), "stage": "quick"}

    def open(self) -> QuickScorer:
        """Open the stage in a worker, with a `QuickScorer`."""
        scorer = super().open()
        return QuickScorer(scorer.encoder, scorer.head)
