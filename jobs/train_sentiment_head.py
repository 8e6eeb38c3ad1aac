"""reviews that say what they think -> embed (encoder), fit and calibrate a head -> model `sentiment`, registered."""

from pydantic import Field

from shopbatch.capabilities.sentiment import examples as sentiment_examples
from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment import train_head as training
from shopbatch.capabilities.sentiment.examples import ExampleConfig
from shopbatch.capabilities.sentiment.train_head import HeadConfig
from shopbatch.core.config import JobConfig
from shopbatch.engines.configs import EngineConfig
from shopbatch.models import registry
from shopbatch.runs.job import Job, main
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


class Config(JobConfig):
    """encoder: `e5-small` (from the sample's package), a folder, name@digest, or owner/model. workers: that embed."""

    engine: EngineConfig
    encoder: str = "e5-small"
    workers: int = Field(default=2, ge=1)
    examples: ExampleConfig = ExampleConfig()
    head: HeadConfig = HeadConfig()


def run(config: Config, store: Store, report: Report) -> None:
    """Train and publish; nothing to do when the live head came from the same reviews, encoder and configuration."""
    reviews = store.require(REVIEWS, sentiment_examples.SOURCE)
    models = f"{store.root}/_models"
    encoder = registry.base(models, config.encoder)
    origin = training.origin(reviews, encoder.digest, config.engine, config.examples, config.head)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"encoder": encoder.digest}
    report.engine = EngineUse(config.engine.kind)
    live = registry.find_live(models, sentiment_head.NAME)
    if live is not None and live.manifest.get("origin") == origin:
        report.outcome, report.metrics["quality"] = "nothing to do", live.manifest["metrics"]
        report.models["sentiment"] = live.digest
        return
    with report.stage("examples") as stage:
        examples = sentiment_examples.read_examples(reviews, config.examples)
        stage.rows = examples.num_rows
    with report.stage("embed") as stage:
        encoded = sentiment_examples.embed(examples, config.engine, encoder.path, config.workers)
        stage.rows = examples.num_rows
    report.engine.tokens_in = int(encoded.tokens.sum())
    with report.stage("fit"):
        head = training.fit(examples, encoded.vectors, config.head, encoder.reference)
        metrics = training.evaluate(head, examples, encoded.vectors, config.head.seed)
    about = {"encoder": encoder.reference, "metrics": metrics, "origin": origin}
    report.models["sentiment"] = registry.publish(models, sentiment_head.NAME, head.save, live=True, **about).digest
    report.outcome, report.metrics["quality"] = "published", metrics


JOB = Job("train_sentiment_head", Config, run)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
