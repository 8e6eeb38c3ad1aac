"""Run the job compress_encoder: make a smaller, faster copy of an encoder, and a sentiment head for it.

First the vocabulary is cut to the tokens in use, then the weights are converted to 8-bit integers; either step can be
switched off. The gates compare the result with the source encoder on the test examples, which neither step has read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment.bias.gate import BiasJudge
from shopbatch.capabilities.sentiment.bias.probe import probes
from shopbatch.capabilities.sentiment.compress.config import CompressEncoderConfig
from shopbatch.capabilities.sentiment.compress.judge import Rivals, judge, speed_gate
from shopbatch.capabilities.sentiment.compress.translate import translated
from shopbatch.capabilities.sentiment.compress.vocabulary import held_out_splits, seen_tokens
from shopbatch.capabilities.sentiment.evaluate import ALL, evaluate
from shopbatch.capabilities.sentiment.examples import SOURCE, read_examples
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.judge import held_out_probabilities
from shopbatch.capabilities.sentiment.speed import beside
from shopbatch.capabilities.sentiment.train_head import fit_steadily
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import OpenVinoConfig
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

VERSION = 1  # of what is made: raising it makes the next run compress again
NAME = "compressed-encoder"


def compress(config: CompressEncoderConfig, store: Store, report: Report) -> None:
    """Compress an encoder, judge it, and register it with its head if it passes; the body of the job compress_encoder.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Filled while the run proceeds.

    Raises:
        UserError: Both steps (cutting the vocabulary, quantising) are switched off, quantising needs another engine or
            the package NNCF, or there are too few labelled reviews.
        GateRefused: The compressed encoder is not accurate or not fast enough.
    """
    _refuse(config)
    reviews = store.require(REVIEWS, SOURCE)
    models = f"{store.root}/_models"
    source = registry.base(models, config.encoder)
    report.tables["reviews"], report.models = {"read": reviews.version}, {"source": source.digest}
    report.engine = EngineUse(config.engine.kind)
    origin = _origin(config, reviews, source)
    if runs.already_live(models, NAME, origin, report):
        return
    with report.stage("examples") as stage:
        examples = read_examples(reviews, config.examples)
        stage.rows = examples.num_rows
    candidate = _build(config, store, reviews, source, examples, report)
    report.gates, head = _judge(config, models, source, candidate, examples, report)
    runs.refuse(models, candidate, report.gates)
    trained = examples.filter(pc.equal(examples["split"], "train"))
    about = {
        "encoder": candidate.reference,
        "metrics": report.metrics["quality"],
        "origin": origin,
        "base": source.reference,
        **erasure.record(store, erasure.text_names(trained["text"])),
        "config": report.config,
        "tables": {"reviews": reviews.version},
        "licence": f"derived from {source.name} ({source.manifest.get('licence', 'unknown licence')})",
    }
    _publish(config, models, report, candidate, head, about)


def _refuse(config: CompressEncoderConfig) -> None:
    """Raise UserError for impossible settings: both steps switched off, or quantising without OpenVINO or NNCF."""
    if not config.quantise and not config.vocabulary.prune:
        raise UserError("there is nothing to do: set quantise=true or vocabulary.prune=true")
    if config.quantise:
        if not isinstance(config.engine, OpenVinoConfig):
            raise UserError(f"quantise=true needs engine.kind=openvino, not {config.engine.kind}")
        from shopbatch.engines.encoders.quantise import refuse_without_nncf

        refuse_without_nncf()


def _build(
    config: CompressEncoderConfig, store: Store, reviews: Snapshot, source: Model, examples: pa.Table, report: Report
) -> Model:
    """Make the compressed encoder, register it as a candidate, and report its size and how it splits texts."""
    folder, seen = local(source.path), None
    texts = calibration_texts(examples, config.calibration_texts) if config.quantise else pa.array([], pa.string())
    if config.vocabulary.prune:
        with report.stage("vocabulary") as stage:
            seen = seen_tokens(store, reviews, source.path, config.vocabulary)
            stage.rows = reviews.rows
    sizes: dict[str, Any] = {}

    def build(target: Path) -> None:
        sizes["size"], sizes["size_before"] = vocabulary.prune(folder, target, EncoderSpec.load(folder), seen)
        if config.quantise:
            from shopbatch.engines.encoders.quantise import quantise

            quantise(target, texts, int(getattr(config.engine, "max_tokens", 256)))

    about = {
        "base": source.reference,
        "licence": source.manifest.get("licence", "unknown"),
        **(erasure.record(store, erasure.text_names(texts)) if len(texts) else {}),
        "candidate": True,
    }
    with report.stage("compress"):
        model = registry.publish(f"{store.root}/_models", NAME, build, live=False, **about)
    held_out = examples.filter(pc.equal(examples["split"], "test"))["text"].combine_chunks()
    report.models["candidate"] = model.digest
    report.metrics["vocabulary"] = sizes | held_out_splits(folder, local(model.path), held_out)
    report.metrics["bytes"] = {"source": _size(source), "result": _size(model)}
    return model


def calibration_texts(examples: pa.Table, count: int) -> pa.Array:
    """Return training texts, spread evenly over languages and domains, string [at most count]; for quantising.

    The examples are in the order of their contents' hashes, so the choice depends only on the contents.

    Args:
        examples: All examples.
        count: Largest number of texts.
    """
    train = examples.filter(pc.equal(examples["split"], "train"))
    cells = [f"{a}/{b}" for a, b in zip(train["language"].to_pylist(), train["domain"].to_pylist(), strict=True)]
    order: dict[str, int] = {}
    rank = np.empty(len(cells), np.int64)
    for row, cell in enumerate(cells):
        rank[row] = order[cell] = order.get(cell, -1) + 1
    chosen = np.sort(np.argsort(rank, kind="stable")[:count])
    return train["text"].take(pa.array(chosen)).combine_chunks()


def _judge(
    config: CompressEncoderConfig, models: str, source: Model, candidate: Model, examples: pa.Table, report: Report
) -> tuple[list[Gate], SentimentHead]:
    """Make the head of the compressed encoder, compare it with the source encoder's head, and return gates and head.

    Figures of quality, speed and bias are written to the report.
    """
    bias = BiasJudge(models, config.engine, config.workers, config.gates.bias, config.head.seed)
    with report.stage("embed") as stage:
        vectors = embed(examples, config.engine, candidate.path, config.workers).vectors
        before = embed(examples, config.engine, source.path, config.workers).vectors
        copies = bias.copies(candidate)
        stage.rows = 2 * examples.num_rows
    with report.stage("fit"):
        theirs = _source_head(config, models, source, examples, before, bias)
        if config.refit:
            head = fit_steadily(examples, vectors, copies, config.head, candidate.reference)
        else:
            train = examples["split"].to_numpy() == "train"
            spoken = [*examples["language"].filter(pa.array(train)).to_pylist(), *_spoken()]
            old = np.concatenate([before[train], bias.copies(source)])
            new = np.concatenate([vectors[train], copies])
            head = translated(theirs, old, new, pa.array(spoken, pa.string()), candidate.reference)
        quality = evaluate(head, examples, vectors, config.head.seed)
        rivals = Rivals(
            examples,
            held_out_probabilities(head, vectors, examples),
            held_out_probabilities(theirs, before, examples),
            quality,
            evaluate(theirs, examples, before, config.head.seed),
        )
    gates, figures = judge(rivals, config.gates, config.head.seed)
    report.metrics |= {**figures, "quality": quality, "quality of the source": rivals.before}
    with report.stage("speed"):
        texts = rivals.test["text"].combine_chunks().slice(0, config.speed_texts)
        first, second = (open_engine(config.engine, model.path) for model in (source, candidate))
        ratio = beside(lambda t: encode_all(first, t), lambda t: encode_all(second, t), texts, config.speed_rounds)
    report.metrics["speed"] = ratio.tree()
    report.highlights |= {
        "speed": f"{ratio.value:.2f} times the source's",
        "labels as before": f"{figures['agreement'][ALL]['value']:.2%}",
    }
    if config.quantise:
        gates.append(speed_gate(ratio, config.gates))
    with report.stage("bias"):
        gates += bias.gates(head, candidate, copies, report)
    return gates, head


def _spoken() -> list[str]:
    """Return the language of each counterfactual sentence of `bias.probe`, in the order of `BiasJudge.copies`.

    `translated` adjusts the head on these sentences as well as on reviews.
    """
    return [probe.language for probe in probes() for _ in probe.texts]


def _source_head(
    config: CompressEncoderConfig,
    models: str,
    source: Model,
    examples: pa.Table,
    vectors: np.ndarray,
    bias: BiasJudge,
) -> SentimentHead:
    """Return the head to compare with: the live head if it reads the source encoder, otherwise a newly fitted one.

    The live head is preferred because its labels are the published ones.
    """
    live = registry.find_live(models, sentiment_head.NAME)
    head = SentimentHead.load(live.path) if live is not None else None
    if head is not None and head.encoder == source.reference:
        return head
    return fit_steadily(examples, vectors, bias.copies(source), config.head, source.reference)


def _publish(
    config: CompressEncoderConfig,
    models: str,
    report: Report,
    candidate: Model,
    head: SentimentHead,
    about: Mapping[str, Any],
) -> None:
    """Register the compressed encoder, then the head that names it, and last the encoder's entry `origin`.

    `origin` is the digest of all inputs, by which later runs recognise that nothing is left to do. So it is written
    only when everything else is registered.
    """
    figures = {name: report.metrics[name] for name in ("quality", "vocabulary", "speed", "agreement")}
    encoder = registry.describe(models, candidate, metrics=figures)
    published = registry.publish(models, sentiment_head.NAME, head.save, live=config.live, **about)
    encoder = registry.describe(models, encoder, origin=about["origin"])
    registry.point(models, encoder)
    report.models |= {"encoder": encoder.digest, sentiment_head.NAME: published.digest}
    report.outcome = "published"
    report.next_command = "shopbatch run score_reviews" + ("" if config.live else f" model={published.reference}")


def _origin(config: CompressEncoderConfig, reviews: Snapshot, source: Model) -> str:
    """Return the digest of everything that the result is made from: reviews, source encoder, engine and settings."""
    return digest(
        {
            "version": VERSION,
            "reviews": [reviews.table_id, reviews.version],
            "source": source.digest,
            "engine": config.engine.identity(),
            "config": config.model_dump(
                mode="json", include={"vocabulary", "quantise", "calibration_texts", "examples", "refit", "head"}
            ),
        }
    )


def _size(model: Model) -> int:
    return sum(int(path.stat().st_size) for path in Path(local(model.path)).glob("*") if path.is_file())
