"""The stage of `score_reviews` with a cascade: small models answer where they are sure, the large one the rest.

It publishes the same columns as SentimentStage; the column `answered_by` names the model that answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.cascade.model import Cascade, scores
from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage
from shopbatch.engines.factory import open_engine


@dataclass(frozen=True)
class CascadeStage(SentimentStage):
    """A SentimentStage with small models that are asked before the large one.

    Attributes:
        cascade: Folder of the cascade.
        small: (encoder's folder, head's folder) of each small model. Their digests are among `models`.
    """

    cascade: str = ""
    small: tuple[tuple[str, str], ...] = ()

    def open(self) -> CascadeScorer:  # type: ignore[override]
        """Load all models and return the scorer that asks one after the other."""
        small = [
            SentimentScorer(open_engine(self.engine, encoder, self.windows), SentimentHead.load(head))
            for encoder, head in self.small
        ]
        return CascadeScorer(small, super().open(), Cascade.load(self.cascade))


class CascadeScorer:
    """Scores batches of reviews inside a worker, by the small models where they are sure and else by the large one.

    Args:
        small: The scorers of the small models, the smallest first.
        large: The scorer of the large model.
        cascade: Holds the scores from which on each small model answers.
    """

    def __init__(self, small: Sequence[SentimentScorer], large: SentimentScorer, cascade: Cascade) -> None:
        self.small, self.large, self.cascade = small, large, cascade

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows into engine calls as the smallest model does; return row numbers, every row exactly once."""
        return self.small[0].plan(content)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return the raw outputs of the rows, in order: ask one model after the other about the rows not yet answered.

        `tokens` of a raw output is the sum over all models that read the row.
        """
        kept: list[pa.Table] = []
        places: list[np.ndarray] = []
        left, tokens = np.arange(content.num_rows), np.zeros(content.num_rows, np.int32)
        for number in range(len(self.small) + 1):
            rows = content.take(pa.array(left))
            raw, sure = self._ask(number, rows, attempts[left])
            tokens[left] += raw["tokens"].to_numpy()  # every model that is asked reads the row
            kept.append(raw.filter(pa.array(sure)))
            places.append(left[sure])
            left = left[~sure]
            if not len(left):
                break
        order = np.argsort(np.concatenate(places))
        whole = pa.concat_tables(kept).take(pa.array(order)).combine_chunks()
        return whole.set_column(whole.column_names.index("tokens"), "tokens", pa.array(tokens))

    def _ask(self, number: int, content: pa.Table, attempts: np.ndarray) -> tuple[pa.Table, np.ndarray]:
        """Return the outputs of model `number` for these rows, and a boolean mask [n] of the rows that it answers.

        A small model answers a row if its score reaches the bound of the row's language; the large model (the last
        number) answers every row. A score very close to the bound is computed again from that text alone, so that the
        other rows of the batch do not decide which model answers.
        """
        if number == len(self.small):
            raw = self.large.run(content, attempts)
            return _signed(raw, self.cascade.large), np.full(raw.num_rows, True)
        step, scorer = self.cascade.steps[number], self.small[number]
        raw = scorer.run(content, attempts)
        bound = step.bound(raw["language"].combine_chunks())
        near = np.flatnonzero(np.abs(scores(_probabilities(raw)) - bound) <= step.doubt)
        if len(near) and raw.num_rows > 1:
            alone = [scorer.run(content.slice(row, 1), attempts[row : row + 1]) for row in near.tolist()]
            raw = _put(raw, near, pa.concat_tables(alone))
        return _signed(raw, step.model), scores(_probabilities(raw)) >= bound


def _signed(raw: pa.Table, model: str) -> pa.Table:
    place = raw.column_names.index("answered_by")
    return raw.set_column(place, "answered_by", pa.repeat(pa.scalar(model, pa.string()), raw.num_rows))


def _put(table: pa.Table, rows: np.ndarray, other: pa.Table) -> pa.Table:
    """Return `table` with the rows of `other` in place of the rows with the numbers `rows`."""
    order = np.arange(table.num_rows)
    order[rows] = table.num_rows + np.arange(len(rows))
    return pa.concat_tables([table, other]).take(pa.array(order)).combine_chunks()


def _probabilities(raw: pa.Table) -> np.ndarray:
    return np.column_stack([raw[f"p_{label}"].to_numpy() for label in LABELS])
