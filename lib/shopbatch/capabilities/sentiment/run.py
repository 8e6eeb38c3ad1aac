"""Run the job score_reviews: give each review a sentiment label with probabilities."""

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
    """Return the inference job that scores reviews, and write the model's digests and quality to the report.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Gets the engine, the digests and the quality of the model.

    Raises:
        ModelError: A model is missing or damaged.
        UserError: A cascade is configured together with the fake engine.
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
    ):  # texts that fit into one window get the same result as with windows=1
        inherits = Inherited(replace(stage, windows=1).recipe(), config.engine.max_tokens)
    return Spec("score_reviews", REVIEWS, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS, inherits=inherits)


def _cascade_spec(config: ScoreReviewsConfig, store: Store, report: Report, models: Sentiment) -> Spec:
    """Return the inference job that asks small models first and the large one about the rest.

    Results of runs without this cascade are not reused, since no other recipe gives the same answers.
    """
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
    """Return the list of inference jobs that score_reviews consists of; it holds one, that of `review_spec`."""
    return [review_spec(config, store, report)]


def score_reviews(config: ScoreReviewsConfig, store: Store, report: Report) -> None:
    """Score the new and changed reviews, publish them, and write the merchant's page; the body of the job.

    It raises the errors of `run_inference` and `review_spec`.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Filled while the run proceeds.
    """
    run_inference(review_spec(config, store, report), config, store, report)
    write_merchant_page(store, report)
