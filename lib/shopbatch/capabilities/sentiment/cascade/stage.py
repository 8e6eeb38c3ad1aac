"""The stage of `score_reviews` with a cascade: the same answers as SentimentStage, and which model gave each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.cascade.model import Cascade
from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage
from shopbatch.engines.factory import open_engine

SMALL, LARGE = "small", "large"


@dataclass(frozen=True)
class CascadeStage(SentimentStage):
    """The stage with a small model before the large one.

    cascade, small_encoder, small_head: model folders, whose digests are among `models`.
    """

    cascade: str = ""
    small_encoder: str = ""
    small_head: str = ""
    outputs: pa.Schema = field(
        default_factory=lambda: pa.schema(
            [
                *((f"p_{label}", pa.float32()) for label in LABELS),
                ("language", pa.string()),
                ("answered_by", pa.string()),
            ]
        )
    )

    def open(self) -> CascadeScorer:  # type: ignore[override]
        large = super().open()
        small = open_engine(self.engine, self.small_encoder or None, self.windows)
        head = SentimentHead.load(self.small_head)
        return CascadeScorer(SentimentScorer(small, head), large, Cascade.load(self.cascade))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        return super().publish(passed, raw) | {"answered_by": raw["answered_by"]}


class CascadeScorer:
    """The stage inside a worker: two scorers, and when which answers."""

    def __init__(self, small: SentimentScorer, large: SentimentScorer, cascade: Cascade) -> None:
        self.small, self.large, self.cascade = small, large, cascade

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return self.small.plan(content)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        raw = self._first(content, attempts)
        answers = _scores(raw) >= self.cascade.bound(raw["language"].combine_chunks())
        raw = raw.append_column("answered_by", pa.array(np.where(answers, SMALL, LARGE)))
        rest = np.flatnonzero(~answers)
        if not len(rest):
            return raw
        second = self.large.run(content.take(pa.array(rest)), attempts[rest])
        tokens = raw["tokens"].to_numpy().copy()
        tokens[rest] += second["tokens"].to_numpy()  # both have read these rows
        second = second.append_column("answered_by", pa.repeat(LARGE, len(rest)))
        return _put(raw, rest, second).set_column(raw.column_names.index("tokens"), "tokens", pa.array(tokens))

    def _first(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """The small model's outputs; those that are near to a bound are of the text alone."""
        raw = self.small.run(content, attempts)
        away = np.abs(_scores(raw) - self.cascade.bound(raw["language"].combine_chunks()))
        near = np.flatnonzero(away <= self.cascade.doubt) if content.num_rows > 1 else np.empty(0, np.int64)
        if not len(near):
            return raw
        alone = [self.small.run(content.slice(row, 1), attempts[row : row + 1]) for row in near.tolist()]
        return _put(raw, near, pa.concat_tables(alone))


def _put(table: pa.Table, rows: np.ndarray, other: pa.Table) -> pa.Table:
    """Put the rows of another table in the place of these rows."""
    order = np.arange(table.num_rows)
    order[rows] = table.num_rows + np.arange(len(rows))
    return pa.concat_tables([table, other.select(table.column_names)]).take(pa.array(order)).combine_chunks()


def _scores(raw: pa.Table) -> np.ndarray:
    """The probability of each row's label."""
    return np.column_stack([raw[f"p_{label}"].to_numpy() for label in LABELS]).max(axis=1)
