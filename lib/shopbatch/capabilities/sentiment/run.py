"""Reviews -> sentiment: what the job score_reviews does."""

from __future__ import annotations

from dataclasses import replace

from shopbatch.capabilities.sentiment.cascade.model import parts
from shopbatch.capabilities.sentiment.cascade.stage import CascadeStage
from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
from shopbatch.capabilities.sentiment.merchant import write_merchant_page
from shopbatch.capabilities.sentiment.model import Sentiment, sentiment
from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.core.errors import UserError
from shopbatch.engines.configs import FakeConfig
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Inherited, Spec
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


def review_spec(config: ScoreReviewsConfig, store: Store, report: Report) -> Spec:
    """The inference job that scores reviews; the report gets the model's digests and its quality.

    Raises ModelError for a missing or damaged model.
    """
    models, metrics = sentiment(store.root, config.model, config.engine.kind)
    report.metrics["quality"], report.unit = metrics, "reviews"
    report.engine, report.models = EngineUse(config.engine.kind), dict(models.digests)
    if config.cascade is not None:
        return _cascade_spec(config, store, report, models)
    windows = 1 if isinstance(config.engine, FakeConfig) else config.windows  # the fake engine reads every text whole
    stage = SentimentStage(config.engine, models.encoder, models.head, models.digests, config.max_bytes, windows)
    inherits = None
    if (
        not isinstance(config.engine, FakeConfig) and windows > 1
    ):  # a text that fits into one window is scored as before
        inherits = Inherited(replace(stage, windows=1).recipe(), config.engine.max_tokens)
    return Spec("score_reviews", REVIEWS, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS, inherits=inherits)


def _cascade_spec(config: ScoreReviewsConfig, store: Store, report: Report, models: Sentiment) -> Spec:
    """The job with a small model before the large one. It inherits nothing: no former recipe gives the same answers."""
    if isinstance(config.engine, FakeConfig):
        raise UserError("cascade: the fake engine has no models that could be large or small")
    used = parts(f"{store.root}/_models", str(config.cascade), models.digests["head"])
    digests = {**models.digests, **used.digests}
    report.models = dict(digests)
    stage = CascadeStage(
        *(config.engine, models.encoder, models.head, digests, config.max_bytes, config.windows),
        cascade=used.cascade.path,
        small=used.folders,
    )
    return Spec("score_reviews", REVIEWS, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)


def review_specs(config: ScoreReviewsConfig, store: Store, report: Report) -> list[Spec]:
    """The inference jobs that score_reviews is made of: one."""
    return [review_spec(config, store, report)]


def score_reviews(config: ScoreReviewsConfig, store: Store, report: Report) -> None:
    """Score the new and changed reviews, publish them, and write the merchant's page.

    Raises what `run_inference` and `review_spec` raise.
    """
    run_inference(review_spec(config, store, report), config, store, report)
    write_merchant_page(store, report)
