"""The stage of `score_reviews` with a cascade: the same columns as SentimentStage, and which model answered."""

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
    """The stage with small models before the large one.

    cascade: its folder. small: the folders of each small model, encoder and head. Their digests are among `models`.
    """

    cascade: str = ""
    small: tuple[tuple[str, str], ...] = ()

    def open(self) -> CascadeScorer:  # type: ignore[override]
        small = [
            SentimentScorer(open_engine(self.engine, encoder, self.windows), SentimentHead.load(head))
            for encoder, head in self.small
        ]
        return CascadeScorer(small, super().open(), Cascade.load(self.cascade))


class CascadeScorer:
    """The stage inside a worker: the small scorers, the large one, and when which answers."""

    def __init__(self, small: Sequence[SentimentScorer], large: SentimentScorer, cascade: Cascade) -> None:
        self.small, self.large, self.cascade = small, large, cascade

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return self.small[0].plan(content)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Ask one model after the other; each is asked what those before it have left."""
        kept: list[pa.Table] = []
        places: list[np.ndarray] = []
        left, tokens = np.arange(content.num_rows), np.zeros(content.num_rows, np.int32)
        for number in range(len(self.small) + 1):
            rows = content.take(pa.array(left))
            raw, sure = self._ask(number, rows, attempts[left])
            tokens[left] += raw["tokens"].to_numpy()  # all models that were asked have read the row
            kept.append(raw.filter(pa.array(sure)))
            places.append(left[sure])
            left = left[~sure]
            if not len(left):
                break
        order = np.argsort(np.concatenate(places))
        whole = pa.concat_tables(kept).take(pa.array(order)).combine_chunks()
        return whole.set_column(whole.column_names.index("tokens"), "tokens", pa.array(tokens))

    def _ask(self, number: int, content: pa.Table, attempts: np.ndarray) -> tuple[pa.Table, np.ndarray]:
        """Return a model's outputs, and which of them it is sure of."""
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
    """Put the rows of another table in the place of these rows."""
    order = np.arange(table.num_rows)
    order[rows] = table.num_rows + np.arange(len(rows))
    return pa.concat_tables([table, other]).take(pa.array(order)).combine_chunks()


def _probabilities(raw: pa.Table) -> np.ndarray:
    return np.column_stack([raw[f"p_{label}"].to_numpy() for label in LABELS])
