"""reviews -> sentiment (encoder + calibrated head) -> review_sentiment, review_sentiment_rejects."""

from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.engines.configs import EngineConfig
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import InferenceConfig, Spec
from shopbatch.models import registry
from shopbatch.runs.job import Job, main
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


class Config(InferenceConfig):
    """model: `name@live`, `name@digest` or a folder. max_bytes: a longer title or text is rejected."""

    engine: EngineConfig
    model: str
    max_bytes: int = 100_000


def run(config: Config, store: Store, report: Report) -> None:
    """Score what is new or changed and publish. Raises as `run_inference` does; ModelError for a damaged model."""
    models, metrics = registry.sentiment(store.root, config.model, config.engine.kind)
    report.metrics["quality"] = metrics
    report.engine, report.models = EngineUse(config.engine.kind), dict(models.digests)
    stage = SentimentStage(config.engine, models.encoder, models.head, models.digests, config.max_bytes)
    run_inference(
        Spec("score_reviews", REVIEWS, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS), config, store, report
    )


JOB = Job("score_reviews", Config, run)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
