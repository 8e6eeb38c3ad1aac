"""Estimate how many tokens a run of score_reviews would read; called by a dry run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
from shopbatch.capabilities.sentiment.model import sentiment
from shopbatch.capabilities.sentiment.stage import SentimentStage, review_text
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.windows import WindowCutter
from shopbatch.models.folder import local
from shopbatch.models.registry import NoLiveModel
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

_FILES, _ROWS = 8, 4000  # largest numbers of files and rows of the sample
_SEED = 7


def estimate(config: ScoreReviewsConfig, store: Store) -> dict[str, Any]:
    """Estimate from a sample how many tokens the engine would read if no result of an earlier run were reused.

    Args:
        config: Settings of the job.
        store: The warehouse.

    Returns:
        `reviews`: rows of the table. `sampled`: texts whose tokens were counted. `long_share`: share of these texts
        that do not fit into one window. `tokens`: tokens that the engine would read. `tokens_if_cut`: the same with
        windows=1. The result is {} if there are no reviews or no model yet, or if the engine is the fake one, which
        reads no tokens.

    Raises:
        ModelError: The model is missing or damaged.
    """
    if isinstance(config.engine, FakeConfig):
        return {}
    reviews = store.find(REVIEWS.name)
    if reviews is None or not reviews.files:
        return {}
    try:
        models, _ = sentiment(store.root, config.model, config.engine.kind)
    except NoLiveModel:
        return {}
    texts = _sample(reviews, config).to_pylist()
    cutter = WindowCutter(local(models.encoder), config.engine.max_tokens, config.windows)
    tokens = np.array([cutter.tokens(text) for text in texts], np.int64).reshape(-1, 2)
    scored = reviews.rows if config.limit is None else min(reviews.rows, config.limit)
    mean = tokens.mean(axis=0) if len(tokens) else np.zeros(2)
    return {
        "reviews": reviews.rows,
        "sampled": len(tokens),
        "long_share": round(float((tokens[:, 1] < tokens[:, 0]).mean()), 4) if len(tokens) else 0.0,
        "tokens": round(float(mean[0]) * scored),
        "tokens_if_cut": round(float(mean[1]) * scored),
    }


def _sample(reviews: Snapshot, config: ScoreReviewsConfig) -> pa.Array:
    """Return the texts of a random sample of at most _ROWS reviews that can be scored, from at most _FILES files."""
    schema = reviews.select(("title", "text"))
    draw = np.random.default_rng(_SEED)
    chosen = draw.permutation(len(reviews.files))[:_FILES]
    rows = pa.concat_tables([files.read(reviews.files[i].uri, schema, reviews.files[i].partition) for i in chosen])
    rows = rows.take(pa.array(np.sort(draw.permutation(rows.num_rows)[:_ROWS])))
    reason = SentimentStage(config.engine, "", "", {}, config.max_bytes).check(rows)
    return review_text(rows.filter(reason.is_null()))
