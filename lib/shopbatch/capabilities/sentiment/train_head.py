"""Run the job train_sentiment_head: fit a calibrated sentiment head to labelled reviews on an unchanged encoder.

The report also shows how good a head is on a domain that it was fitted without (see `left_out`).
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
    """Fit a head and publish it as `sentiment@live`; the body of the job train_sentiment_head.

    Nothing is done if the live head was made from the same reviews, encoder and configuration.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Filled while the run proceeds.

    Raises:
        UserError: There are too few labelled reviews.
        GateRefused: The table reviews has shrunk too far, or the head is more biased than the live one.
    """
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
    """Fit a head that scores a sentence much the same whichever person is named in it (see `bias.steady`).

    With `config.counterfactual` 0 this is the same as `fit.fit`.

    Args:
        examples: Columns text, label, language, domain and split.
        vectors: Vectors of the examples, float32 [n, dim].
        copies: Vectors of all counterfactual sentences (see `bias.probe`), float32 [sentences, dim].
        config: Settings of the fit.
        encoder: Reference of the encoder that made the vectors.
    """
    if not config.counterfactual:
        return fit(examples, vectors, config, encoder)
    steady = Steady.of(differences(probes(), copies), vectors, config.counterfactual)
    rows, all_vectors = with_neutral_copies(examples, vectors, probes(), copies)
    return steady.folded(fit(rows, steady.applied(all_vectors), config, encoder))


def origin_of(reviews: Snapshot, encoder: str, engine: EngineConfig, examples: ExampleConfig, head: HeadConfig) -> str:
    """Return the digest of everything that a head is made from; equal origins give equal heads.

    A run does nothing if the live head has the same origin.

    Args:
        reviews: The snapshot of reviews.
        encoder: Digest of the encoder.
        engine: Settings of the engine.
        examples: Limits on the number of examples.
        head: Settings of the fit.
    """
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
