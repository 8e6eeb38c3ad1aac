"""The stage of score_reviews: turns title and text of reviews into probabilities of negative, neutral and positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.inference.stage import BaseStage
from shopbatch.text.language import guess_language, load_classifier
from shopbatch.text.visible import VERSION as WORDS
from shopbatch.text.visible import has_word
from shopbatch.warehouse.utf8 import invalid_utf8

VERSION = 2  # of the code that makes the raw output; a test fails if that code changes and this does not


@dataclass(frozen=True)
class SentimentStage(BaseStage):
    """The stage of `score_reviews`: declares, checks and publishes the sentiment of reviews.

    Attributes:
        engine: Settings of the engine that turns a text into a vector.
        encoder: Folder of the encoder; "" for the fake engine.
        head: Folder of the head; "" for the fake engine.
        models: Digests of the models; part of the recipe.
        max_bytes: Largest size of a title or text in bytes; a row with a longer one is rejected as too_long.
        windows: Largest number of windows in which a text longer than the engine's max_tokens is read. With 1 the text
            is cut, and the recipe equals that of the versions without windows.
        content: Source columns on which a result depends.
        passthrough_columns: Source columns that the published row takes over.
        drift_columns: Published columns (group, label) whose shares a gate compares with the live version.
        gpus: Number of GPUs that one worker needs.
        checks: Version of `check`, `judge` and `publish`.
        outputs: Schema of the raw results that the memo keeps.
    """

    engine: EngineConfig
    encoder: str
    head: str
    models: Mapping[str, str]
    max_bytes: int = 100_000
    windows: int = 1
    content: tuple[str, ...] = ("title", "text")
    passthrough_columns: tuple[str, ...] = ("product_id", "language")
    drift_columns: tuple[str, str] = ("language", "label")
    gpus: float = 0.0
    checks: int = 2 + WORDS
    outputs: pa.Schema = field(
        default_factory=lambda: pa.schema(
            [
                *((f"p_{label}", pa.float32()) for label in LABELS),
                ("language", pa.string()),
                ("answered_by", pa.string()),  # null if there is no cascade
            ]
        )
    )

    @property
    def stateless(self) -> bool:
        """Whether opening the engine costs next to nothing, so that tasks can run the stage instead of actors."""
        return bool(getattr(self.engine, "light", False))

    def recipe(self) -> Mapping[str, Any]:
        """Return all that can change a raw result: stage version, engine, model digests, and windows if not 1."""
        made = {"stage": "sentiment", "version": VERSION, "engine": self.engine.identity(), "models": dict(self.models)}
        return made if self.windows == 1 else made | {"windows": self.windows}

    def check(self, content: pa.Table) -> pa.Array:
        """Return per row why it cannot be scored: `empty`, `too_long` or `invalid_utf8`; null if it can be scored.

        `empty` means that the text has no word; `too_long` that title or text exceeds max_bytes.
        """
        broken = [mask for c in content.columns if (mask := invalid_utf8(c)) is not None]
        if broken:
            bad = broken[0] if len(broken) == 1 else pc.or_(*broken)
            content = pa.table([pc.if_else(bad, "-", c) for c in content.columns], names=content.column_names)
        text = content["text"]
        blank = pa.chunked_array([pc.invert(has_word(chunk)) for chunk in text.chunks], pa.bool_())
        longest = pc.max_element_wise(*(pc.fill_null(pc.binary_length(c), 0) for c in (text, content["title"])))
        reason = pc.if_else(pc.greater(longest, self.max_bytes), "too_long", pa.scalar(None, pa.string()))
        reason = pc.if_else(blank, "empty", reason)
        if broken:
            reason = pc.if_else(bad, "invalid_utf8", reason)
        return reason.combine_chunks() if isinstance(reason, pa.ChunkedArray) else reason

    def open(self) -> SentimentScorer:
        """Load the language classifier, the head and the engine, and return the scorer that uses them."""
        load_classifier()  # loaded here, because the watchdog would take a slow first batch for a hanging one
        head = SentimentHead.load(self.head) if self.head else SentimentHead.fake()
        return SentimentScorer(open_engine(self.engine, self.encoder or None, self.windows), head)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return `invalid_output` for rows with impossible probabilities, null for the others.

        Impossible are values that are not finite or below 0, and rows that do not sum to 1 within 1e-5.
        """
        p = _probabilities(raw)
        bad = ~(np.isfinite(p).all(axis=1) & (p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-5))
        return pc.if_else(pa.array(bad), "invalid_output", pa.scalar(None, pa.string()))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the published columns: label (the most probable one), language, answered_by and the probabilities.

        The language is that of the source, else the detected one, else `und`.
        """
        best = _probabilities(raw).argmax(axis=1)
        labels = pa.array(LABELS).take(pa.array(best))
        language = pc.coalesce(passed["language"], raw["language"], pa.scalar("und"))
        who = {"answered_by": raw["answered_by"]}
        return {"label": labels, "language": language} | who | {f"p_{x}": raw[f"p_{x}"] for x in LABELS}

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Return how far the probabilities of the published rows break their rules, for the gates (see `limits`).

        The numbers are the largest distance of a row's sum from 1, and the count of probabilities outside 0 to 1.
        """
        p = _probabilities(published)
        off = float(np.abs(p.sum(axis=1) - 1).max())
        return {"probability sum off by": off, "probability outside [0, 1]": float(((p < 0) | (p > 1)).sum())}

    def limits(self) -> dict[str, float]:
        """Return the limits of the numbers of `measure`: 1e-5 for the sum, 0 for probabilities outside 0 to 1."""
        return {"probability sum off by": 1e-5, "probability outside [0, 1]": 0.0}


class SentimentScorer:
    """Scores batches of reviews inside a worker, with an opened engine (the encoder) and a sentiment head."""

    def __init__(self, encoder: Any, head: SentimentHead) -> None:
        self.encoder, self.head = encoder, head

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows into batches of similar text length for the engine: row numbers, every row exactly once."""
        return list(self.encoder.plan(review_text(content)))

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return the raw outputs of the rows in order: probabilities, language, answered_by (null), tokens read."""
        texts = review_text(content)
        encoded = self.encoder.encode(texts)
        language = guess_language(texts)
        p = self.head.probabilities(encoded.vectors, language).astype(np.float32)
        columns = {f"p_{label}": pa.array(p[:, i]) for i, label in enumerate(LABELS)}
        columns |= {"language": language, "answered_by": pa.nulls(len(texts), pa.string())}
        return pa.table(columns | {"tokens": pa.array(encoded.tokens.astype(np.int32))})


def review_text(content: pa.Table) -> pa.Array:
    """Join title (if any) and text as the engine reads them ("Great" and "Fits." -> "Great. Fits."); string [n].

    No result is null, since rows without text were rejected before.
    """
    title, text = content["title"], content["text"]
    both = pc.binary_join_element_wise(title, text, ". ")
    joined = pc.coalesce(both, text)
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _probabilities(table: pa.Table) -> np.ndarray:
    """Return the probability columns as an array, float32 [n, 3], with NaN for null."""
    columns = [table[f"p_{label}"].to_numpy() for label in LABELS]
    return np.column_stack(columns).astype(np.float32)
