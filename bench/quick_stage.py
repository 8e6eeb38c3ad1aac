"""The stage of score_reviews without its work, which leaves the machinery alone: a text's hash gives the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.head import LABELS
from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage, review_text


class QuickScorer(SentimentScorer):
    """A scorer that guesses no language."""

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        encoded = self.encoder.encode(review_text(content))
        language = pa.nulls(content.num_rows, pa.string())
        p = self.head.probabilities(encoded.vectors, language)
        columns = {f"p_{label}": pa.array(p[:, i]) for i, label in enumerate(LABELS)}
        columns |= {"language": language, "answered_by": language}
        return pa.table(columns | {"tokens": pa.array(encoded.tokens.astype(np.int32))})


@dataclass(frozen=True)
class QuickStage(SentimentStage):
    """The stage of score_reviews without its work."""

    def recipe(self) -> Mapping[str, Any]:
        return {**super().recipe(), "stage": "quick"}

    def open(self) -> QuickScorer:
        scorer = super().open()
        return QuickScorer(scorer.encoder, scorer.head)
