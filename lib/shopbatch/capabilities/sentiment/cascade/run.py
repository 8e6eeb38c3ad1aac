"""Two sentiment models and held-out reviews -> a cascade of them: the job train_cascade.

The bounds come from the test examples, which neither model was fitted to. What they promise is checked on the
validation examples, by which only the calibration of the heads was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.bias.probe import probes, sentences
from shopbatch.capabilities.sentiment.cascade.config import TrainCascadeConfig
from shopbatch.capabilities.sentiment.cascade.fit import Answers, answers_of, fit_bounds, held
from shopbatch.capabilities.sentiment.cascade.judge import answered_gate, calibration_gates, speed_gate
from shopbatch.capabilities.sentiment.cascade.model import NAME, Cascade, CascadeHead
from shopbatch.capabilities.sentiment.cascade.stage import CascadeScorer
from shopbatch.capabilities.sentiment.examples import SOURCE, read_examples
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.speed import Ratio, beside
from shopbatch.capabilities.sentiment.stage import SentimentScorer
from shopbatch.core.hashing import digest
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.engines.factory import open_engine
from shopbatch.models import erasure, registry, vocabulary
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of what is fitted: raising it makes the next run fit again
CUT = "cut-encoder"
_DOUBT_TEXTS = 128  # texts by which it is measured how far the company in a batch moves a score
_DOUBT_FACTOR = 4.0  # and how many times the greatest such move counts as near
_LEAST_DOUBT = 1e-4


@dataclass(frozen=True)
class Side:
    """One of the two models: its encoder and head, and the encoder's vectors of all examples."""

    encoder: Model
    head: SentimentHead
    vectors: np.ndarray


def train(config: TrainCascadeConfig, store: Store, report: Report) -> None:
    """Fit a cascade and register it, if it keeps its promise and is faster.

    Raises:
        UserError: There are too few labelled reviews.
        ModelError: A model is missing or damaged.
        GateRefused: The small model answers too little, or nothing is gained.
    """
    reviews = store.require(REVIEWS, SOURCE)
    models = f"{store.root}/_models"
    large = registry.resolve(models, config.large)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"large": large.digest}
    report.engine = EngineUse(config.engine.kind)
    origin = _origin(config, models, reviews, large)
    if runs.already_live(models, NAME, origin, report):
        return
    with report.stage("examples") as stage:
        examples = read_examples(reviews, config.examples)
        stage.rows = examples.num_rows
    with report.stage("large") as stage:
        second = _embedded(config, models, SentimentHead.load(large.path), examples)
        stage.rows = examples.num_rows
    with report.stage("small") as stage:
        first, small = _small(config, store, examples, second)
        stage.rows = examples.num_rows
    answers = answers_of(first.head, second.head, (first.vectors, second.vectors), _languages(examples))
    split = examples["split"].to_numpy()
    bounds = fit_bounds(answers.take(split == "test"), config.agreement, config.confidence, config.min_rows)
    report.metrics["bounds"] = bounds
    report.metrics["chosen on"] = held(answers.take(split == "test"), bounds)
    report.metrics["quality"] = figures = held(answers.take(split == "val"), bounds)
    texts = examples.filter(pc.equal(examples["split"], "val"))["text"].combine_chunks()
    with report.stage("speed"):
        engines = [open_engine(config.engine, side.encoder.path) for side in (first, second)]
        doubt = _doubt(engines[0], first.head, texts.slice(0, _DOUBT_TEXTS))
        cascade = Cascade(small=small.reference, large=large.reference, bounds=bounds, doubt=doubt)
        ratio = _speed(config, cascade, (first, second), engines, texts.slice(0, config.speed_texts))
    report.metrics |= {"speed": ratio.tree(), "doubt": doubt}
    report.highlights |= {
        "answered by the small model": f"{figures['all']['answered']:.1%}",
        "labels as the large model's": f"{figures['all']['agreement']['value']:.2%}",
        "speed": f"{ratio.value:.2f} times the large model's",
    }
    report.gates = [
        answered_gate(figures["all"]["answered"], config.gates.answered),
        speed_gate(ratio, config.gates.speed),
        *_calibration(config, cascade, answers, examples, split == "test"),
    ]
    with report.stage("bias"):
        report.gates += _bias(config, models, cascade, (first, second), report)
    needs = [small, first.encoder, large, second.encoder]
    candidate = _publish(config, models, report, cascade, {"origin": origin, "needs": [m.reference for m in needs]})
    runs.refuse(models, candidate, report.gates)
    registry.point(models, registry.describe(models, candidate))
    report.outcome = "published"
    report.next_command = f"shopbatch run score_reviews cascade={candidate.reference}"


def _embedded(config: TrainCascadeConfig, models: str, head: SentimentHead, examples: pa.Table) -> Side:
    encoder = registry.find(models, head.encoder)
    return Side(encoder, head, embed(examples, config.engine, encoder.path, config.workers).vectors)


def _small(config: TrainCascadeConfig, store: Store, examples: pa.Table, large: Side) -> tuple[Side, Model]:
    """Return the small model that is named, or make one, and the model that is its head in the registry."""
    models = f"{store.root}/_models"
    if config.small is not None:
        named = registry.resolve(models, config.small)
        return _embedded(config, models, SentimentHead.load(named.path), examples), named
    source = local(large.encoder.path)
    spec = EncoderSpec.load(source).model_copy(update={"layers": config.layers})

    def build(target: Path) -> None:
        vocabulary.prune(source, target, spec, None)

    licence = large.encoder.manifest.get("licence", "unknown")
    about = {"base": large.encoder.reference, "licence": licence}
    encoder = registry.publish(models, CUT, build, live=True, **about)
    vectors = embed(examples, config.engine, encoder.path, config.workers).vectors
    taught = large.head.probabilities(large.vectors, _languages(examples)).argmax(axis=1)
    labels = pa.array(taught.astype(np.int8))
    relabelled = examples.set_column(examples.column_names.index("label"), "label", labels)
    head = fit(relabelled, vectors, config.head, encoder.reference)
    trained = examples.filter(pc.equal(examples["split"], "train"))
    rows = erasure.record(store, erasure.text_names(trained["text"]))
    made = registry.publish(
        models,
        sentiment_head.NAME,
        head.save,
        live=False,
        **about | {"encoder": encoder.reference, "base": encoder.reference, "metrics": {}, **rows},
    )
    return Side(encoder, head, vectors), made


def _doubt(engine: Encoder, head: SentimentHead, texts: pa.Array) -> float:
    """Return how near to a bound a score is uncertain: some times the greatest move by company that was measured."""
    language = pa.nulls(len(texts), pa.string())
    together = head.probabilities(encode_all(engine, texts).vectors, language).max(axis=1)
    alone = [engine.encode(texts.slice(row, 1)).vectors for row in range(len(texts))]
    single = head.probabilities(np.concatenate(alone), language).max(axis=1)
    return max(_LEAST_DOUBT, _DOUBT_FACTOR * float(np.abs(together - single).max()))


def _speed(
    config: TrainCascadeConfig, cascade: Cascade, sides: tuple[Side, Side], engines: list[Encoder], texts: pa.Array
) -> Ratio:
    """Measure the cascade beside the large model, with all that the stage does to a text."""
    small, large = (SentimentScorer(engine, side.head) for engine, side in zip(engines, sides, strict=True))
    both = CascadeScorer(small, large, cascade)

    def score(scorer: SentimentScorer | CascadeScorer, some: pa.Array) -> None:
        content = pa.table({"title": pa.nulls(len(some), pa.string()), "text": some})
        for rows in scorer.plan(content):
            scorer.run(content.take(pa.array(rows)), np.ones(len(rows), np.int8))

    return beside(lambda some: score(large, some), lambda some: score(both, some), texts, config.speed_rounds)


def _calibration(
    config: TrainCascadeConfig, cascade: Cascade, answers: Answers, examples: pa.Table, rows: np.ndarray
) -> list[Gate]:
    some = answers.take(rows)
    bound = cascade.bound(pa.array(some.language.tolist(), pa.string()))
    mixed = np.where((some.score >= bound)[:, None], some.small, some.large)
    return calibration_gates(mixed, some, examples["label"].to_numpy()[rows], config.gates.ece)


def _bias(
    config: TrainCascadeConfig, models: str, cascade: Cascade, sides: tuple[Side, Side], report: Report
) -> list[Gate]:
    """Judge the cascade as a sentiment model of its own: who stands in a sentence may not move it more than today."""
    judge = BiasJudge(models, config.engine, config.workers, config.gates.bias, config.head.seed)
    vectors = [embed(sentences(probes()), config.engine, side.encoder.path, config.workers).vectors for side in sides]
    head = CascadeHead(sides[0].head, sides[1].head, cascade)
    return judge.gates(head, sides[1].encoder, np.concatenate(vectors, axis=1), report, vectors[1])


def _publish(
    config: TrainCascadeConfig, models: str, report: Report, cascade: Cascade, about: Mapping[str, Any]
) -> Model:
    """Put the cascade into the registry, as a candidate."""
    figures = {name: report.metrics[name] for name in ("quality", "chosen on", "speed", "doubt")}
    tables = {"reviews": report.tables["reviews"]["read"]}
    made = {"base": cascade.large, "metrics": figures, "config": report.config, "tables": tables, "candidate": True}
    model = registry.publish(models, NAME, cascade.save, live=False, **made, **about)
    report.models |= {"cascade": model.digest}
    return model


def _languages(examples: pa.Table) -> pa.Array:
    return examples["language"].combine_chunks()


def _origin(config: TrainCascadeConfig, models: str, reviews: Snapshot, large: Model) -> str:
    """Return the digest of everything that a cascade is made from."""
    return digest(
        {
            "version": VERSION,
            "reviews": [reviews.table_id, reviews.version],
            "large": large.digest,
            "small": registry.resolve(models, config.small).digest if config.small else list(config.layers),
            "engine": config.engine.identity(),
            "config": config.model_dump(
                mode="json", include={"agreement", "confidence", "min_rows", "examples", "head"}
            ),
        }
    )
