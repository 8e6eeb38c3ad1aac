"""Labelled reviews -> a calibrated sentiment head on an encoder that stays as it is: the job train_sentiment_head.

The report also says how good a head is that was fitted without a domain, on that domain (see `left_out`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.bias.probe import identity, probes
from shopbatch.capabilities.sentiment.bias.steady import Steady, differences, with_neutral_copies
from shopbatch.capabilities.sentiment.config import ExampleConfig, HeadConfig, TrainHeadConfig
from shopbatch.capabilities.sentiment.evaluate import evaluate
from shopbatch.capabilities.sentiment.examples import SOURCE, read_examples
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.left_out import leave_domains_out, picture
from shopbatch.core.hashing import digest
from shopbatch.engines.configs import EngineConfig
from shopbatch.models import erasure, registry
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 4  # of examples and fit: raising it makes the next run train again


def train_head(config: TrainHeadConfig, store: Store, report: Report) -> None:
    """Train a head and publish it, unless the live one came from the same reviews, encoder and configuration."""
    reviews = store.require(REVIEWS, SOURCE)
    models = f"{store.root}/_models"
    encoder = registry.base(models, config.encoder)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"encoder": encoder.digest}
    report.engine = EngineUse(config.engine.kind)
    origin = origin_of(reviews, encoder.digest, config.engine, config.examples, config.head)
    if runs.already_live(models, sentiment_head.NAME, origin, report):
        return
    read = rows_of({REVIEWS.name: reviews})
    report.gates = runs.sizes(models, sentiment_head.NAME, read, config.gates.rows)
    refuse_if_failed(report.gates)
    with report.stage("examples") as stage:
        examples = read_examples(reviews, config.examples)
        stage.rows = examples.num_rows
    with report.stage("embed") as stage:
        encoded = embed(examples, config.engine, encoder.path, config.workers)
        judge = BiasJudge(models, config.engine, config.workers, config.gates.bias, config.head.seed)
        copies = judge.copies(encoder)
        stage.rows = examples.num_rows + len(copies)
    report.engine.tokens_in = int(encoded.tokens.sum())
    with report.stage("fit"):
        head = fit_steadily(examples, encoded.vectors, copies, config.head, encoder.reference)
        quality = evaluate(head, examples, encoded.vectors, config.head.seed)
    with report.stage("bias"):
        report.gates += judge.gates(head, encoder, copies, report)
    refuse_if_failed(report.gates)
    with report.stage("leave domains out"):
        left_out = leave_domains_out(examples, encoded.vectors, config.head)
    trained = examples.filter(pc.equal(examples["split"], "train"))
    about = {
        "encoder": encoder.reference,
        "metrics": quality,
        "left_out": left_out,
        "origin": origin,
        "read_rows": read,
        "base": encoder.reference,
        **erasure.record(store, erasure.text_names(trained["text"])),
        "licence": f"derived from {encoder.name} ({encoder.manifest.get('licence', 'unknown licence')})",
    }
    published = registry.publish(models, sentiment_head.NAME, head.save, live=True, **about)
    report.models[sentiment_head.NAME] = published.digest
    report.outcome, report.metrics["quality"] = "published", quality
    report.metrics["left_out"] = left_out
    if left_out:
        report.figures.append(picture(left_out))


def fit_steadily(
    examples: pa.Table, vectors: np.ndarray, copies: np.ndarray, config: HeadConfig, encoder: str
) -> SentimentHead:
    """Fit a head that gives copies of a sentence in which another person stands much the same score (`bias.steady`).

    Args:
        examples, vectors, config, encoder: As for `fit`.
        copies: The vectors of all counterfactual sentences, float32 [sentences, dim].
    """
    if not config.counterfactual:
        return fit(examples, vectors, config, encoder)
    steady = Steady.of(differences(probes(), copies), vectors, config.counterfactual)
    rows, all_vectors = with_neutral_copies(examples, vectors, probes(), copies)
    return steady.folded(fit(rows, steady.applied(all_vectors), config, encoder))


def origin_of(reviews: Snapshot, encoder: str, engine: EngineConfig, examples: ExampleConfig, head: HeadConfig) -> str:
    """Return the digest of everything that a head is made from. Equal origins give equal heads."""
    return digest(
        {
            "version": VERSION,
            "reviews": [reviews.table_id, reviews.version],
            "encoder": encoder,
            "engine": engine.identity(),
            "examples": examples.model_dump(mode="json"),
            "head": head.model_dump(mode="json"),
            "copies": identity(),
        }
    )
