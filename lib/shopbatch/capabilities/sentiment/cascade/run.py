"""Run the job train_cascade: fit a cascade of sentiment models on held-out reviews.

The bounds (least scores with which the small models answer) are chosen on the test examples, to which no model was
fitted. A gate then checks, on the validation examples, whether the cascade agrees with the large model as often as
required; these were used only to calibrate the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.bias.probe import probes, sentences
from shopbatch.capabilities.sentiment.cascade.config import TrainCascadeConfig
from shopbatch.capabilities.sentiment.cascade.fit import Bounds, fit_bounds, held
from shopbatch.capabilities.sentiment.cascade.judge import agreement_gates, answered_gate, calibration_gates, speed_gate
from shopbatch.capabilities.sentiment.cascade.model import NAME, Cascade, CascadeHead, Step, bound_of, mixed, scores
from shopbatch.capabilities.sentiment.cascade.side import Side, accept, embedded, made, withdraw
from shopbatch.capabilities.sentiment.cascade.stage import CascadeScorer
from shopbatch.capabilities.sentiment.evaluate import require
from shopbatch.capabilities.sentiment.examples import SOURCE, read_examples
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.speed import Ratio, beside
from shopbatch.capabilities.sentiment.stage import SentimentScorer
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.engines.factory import open_engine
from shopbatch.models import erasure, registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training import runs
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import Gate, refuse_if_failed
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of what is fitted: raising it makes the next run fit again
_DOUBT_TEXTS = 128  # texts on which it is measured how far the rest of a batch changes a score
_DOUBT_FACTOR = 4.0  # multiple of the largest such change that is used as `doubt`
_LEAST_DOUBT = 1e-4


def train(config: TrainCascadeConfig, store: Store, report: Report) -> None:
    """Fit a cascade, and register it if it agrees with the large model and is faster; the body of train_cascade.

    Raises:
        UserError: There is no small model, or too few reviews are labelled.
        ModelError: A model is missing or damaged.
        GateRefused: Agreement, answered share, speed, calibration or bias miss their limits.
    """
    if config.layers is None and not config.small:
        raise UserError("there is no small model: name some (small=[...]), or let one be made (layers=[0])")
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
        require(examples, ("val", "test"))
        stage.rows = examples.num_rows
    with report.stage("vectors") as stage:
        sides = _sides(config, store, large, examples)
        stage.rows = examples.num_rows * len(sides)
    language, split = examples["language"].combine_chunks(), examples["split"].to_numpy()
    each = [side.head.probabilities(side.vectors, language) for side in sides]
    languages, test = np.asarray(language.to_pylist()), split == "test"
    shown = [p[test] for p in each]
    bounds = fit_bounds(shown, languages[test], config.agreement, config.confidence, config.min_rows)
    report.metrics |= {"bounds": bounds, "chosen on": held(shown, languages[test], bounds)}
    others = [p[split == "val"] for p in each]
    report.metrics["quality"] = figures = held(others, languages[split == "val"], bounds)
    texts = examples.filter(pc.equal(examples["split"], "val"))["text"].combine_chunks()
    with report.stage("speed"):
        cascade, ratio = _measured(config, sides, bounds, texts)
    report.metrics |= {"speed": ratio.tree(), "doubts": [step.doubt for step in cascade.steps]}
    report.highlights |= {
        "answered by small models": f"{figures['all']['answered']:.1%}",
        "labels as the large model's": f"{figures['all']['agreement']['value']:.2%}",
        "speed": f"{ratio.value:.2f} times the large model's",
    }
    spoken = language.filter(pa.array(test))
    now = mixed(shown, [bound_of(its, spoken) for its in bounds])
    label = examples["label"].to_numpy()[test]
    report.gates = [
        answered_gate(figures["all"]["answered"], config.gates.answered),
        *agreement_gates(figures, config.agreement),
        speed_gate(ratio, config.gates.speed),
        *calibration_gates(now, shown[-1], languages[test], label, config.gates.ece),
    ]
    with report.stage("bias"):
        report.gates += _bias(config, models, cascade, sides, report)
    if not all(gate.passed for gate in report.gates):
        withdraw(models, sides)
    refuse_if_failed(report.gates)
    rows = erasure.record(store, erasure.text_names(examples["text"]))
    published = _publish(models, report, cascade, sides, {"origin": origin, **rows})
    report.outcome = "published"
    report.next_command = f"shopbatch run score_reviews cascade={published.reference}"


def _sides(config: TrainCascadeConfig, store: Store, large: Model, examples: pa.Table) -> list[Side]:
    """Return all models of the cascade with their vectors, from the smallest to the large one."""
    models = f"{store.root}/_models"
    last = embedded(config, models, large, examples)
    named = [embedded(config, models, registry.resolve(models, name), examples) for name in config.small]
    first = [] if config.layers is None else [made(config, store, last, examples)]
    return [*first, *named, last]


def _measured(
    config: TrainCascadeConfig, sides: Sequence[Side], bounds: Sequence[Bounds], texts: pa.Array
) -> tuple[Cascade, Ratio]:
    """Measure rounding and speed, and return the finished cascade and its speed as a multiple of the large model's.

    Rounding gives the `doubt` of each step: how far the other texts of a batch can change a score.
    """
    engines = [open_engine(config.engine, side.encoder.path) for side in sides]
    steps = tuple(
        Step(model=side.model.reference, bounds=dict(its), doubt=_doubt(engine, side.head, texts[:_DOUBT_TEXTS]))
        for side, its, engine in zip(sides[:-1], bounds, engines[:-1], strict=True)
    )
    cascade = Cascade(steps=steps, large=sides[-1].model.reference)
    *small, large = (SentimentScorer(engine, side.head) for engine, side in zip(engines, sides, strict=True))
    both = CascadeScorer(small, large, cascade)

    def score(scorer: SentimentScorer | CascadeScorer, some: pa.Array) -> None:
        content = pa.table({"title": pa.nulls(len(some), pa.string()), "text": some.cast(pa.string())})
        for rows in scorer.plan(content):
            scorer.run(content.take(pa.array(rows)), np.ones(len(rows), np.int8))

    some = texts[: config.speed_texts]
    return cascade, beside(lambda t: score(large, t), lambda t: score(both, t), some, config.speed_rounds)


def _doubt(engine: Encoder, head: SentimentHead, texts: pa.Array) -> float:
    """Return the `doubt` of a model: how close to a bound a score must be to be computed again from its text alone.

    It is a multiple (_DOUBT_FACTOR) of the largest difference between the scores of texts in a batch and alone.
    """
    language = pa.nulls(len(texts), pa.string())
    together = scores(head.probabilities(encode_all(engine, texts).vectors, language))
    alone = [engine.encode(texts.slice(row, 1)).vectors for row in range(len(texts))]
    single = scores(head.probabilities(np.concatenate(alone), language))
    return max(_LEAST_DOUBT, _DOUBT_FACTOR * float(np.abs(together - single).max()))


def _bias(
    config: TrainCascadeConfig, models: str, cascade: Cascade, sides: Sequence[Side], report: Report
) -> list[Gate]:
    """Measure the bias of the cascade and return the gates that compare it with the live sentiment model's."""
    judge = BiasJudge(models, config.engine, config.workers, config.gates.bias, config.head.seed)
    vectors = [embed(sentences(probes()), config.engine, side.encoder.path, config.workers).vectors for side in sides]
    head = CascadeHead(tuple(side.head for side in sides), cascade)
    return judge.gates(head, sides[-1].encoder, np.concatenate(vectors, axis=1), report, vectors[-1])


def _publish(models: str, report: Report, cascade: Cascade, sides: Sequence[Side], about: Mapping[str, Any]) -> Model:
    """Register the models that were made for the cascade, then the cascade itself as the live one; return it."""
    accept(models, sides)
    made_of = {
        "base": cascade.large,
        "needs": [model.reference for side in sides for model in (side.model, side.encoder)],
        "metrics": {name: report.metrics[name] for name in ("quality", "chosen on", "speed", "doubts")},
        "config": report.config,
        "tables": {"reviews": report.tables["reviews"]["read"]},
    }
    model = registry.publish(models, NAME, cascade.save, live=True, **made_of, **about)
    report.models |= {"cascade": model.digest}
    return model


def _origin(config: TrainCascadeConfig, models: str, reviews: Snapshot, large: Model) -> str:
    """Return the digest of everything that the cascade is made from: reviews, models, engine and settings."""
    return digest(
        {
            "version": VERSION,
            "reviews": [reviews.table_id, reviews.version],
            "large": large.digest,
            "small": [registry.resolve(models, name).digest for name in config.small],
            "engine": config.engine.identity(),
            "config": config.model_dump(
                mode="json", include={"layers", "epochs", "agreement", "confidence", "min_rows", "examples", "head"}
            ),
        }
    )
