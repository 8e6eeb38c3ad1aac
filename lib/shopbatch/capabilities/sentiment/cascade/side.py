"""Load or make one model of a cascade, together with its vectors of all examples; used by train_cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment import head as sentiment_head
from shopbatch.capabilities.sentiment.cascade.config import TrainCascadeConfig
from shopbatch.capabilities.sentiment.cascade.student import train_embedding
from shopbatch.capabilities.sentiment.fit import fit
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.engines.tokens import Reader
from shopbatch.models import erasure, registry, vocabulary
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.loading import model_config, token_limit
from shopbatch.models.registry import Model
from shopbatch.training.vectors import embed
from shopbatch.warehouse.store import Store

CUT = "cut-encoder"
_LONGEST = 512  # tokens of a text that are read to choose the vocabulary


@dataclass(frozen=True)
class Side:
    """One model of a cascade, with its vectors of all examples.

    Attributes:
        model: The head, as a model of the registry.
        encoder: The encoder that the head reads.
        head: The loaded head.
        vectors: The encoder's vectors of all examples, float32 [n, dim].
    """

    model: Model
    encoder: Model
    head: SentimentHead
    vectors: np.ndarray


def embedded(config: TrainCascadeConfig, models: str, model: Model, examples: pa.Table) -> Side:
    """Load an existing model by its head, and compute its vectors of all examples.

    Args:
        config: Settings of the job.
        models: The registry's root.
        model: The head.
        examples: All examples.
    """
    head = SentimentHead.load(model.path)
    encoder = registry.find(models, head.encoder)
    return Side(model, encoder, head, embed(examples, config.engine, encoder.path, config.workers).vectors)


def made(config: TrainCascadeConfig, store: Store, large: Side, examples: pa.Table) -> Side:
    """Make a small model from the large one's encoder, without its upper layers, and register it as a candidate.

    The vocabulary is cut to the training texts. The head is fitted to the labels that the large model gives the
    training examples, because the small model has to reproduce these.

    Args:
        config: Settings of the job.
        store: The warehouse.
        large: The large model.
        examples: All examples.
    """
    models, layers = f"{store.root}/_models", config.layers or (0,)
    source = local(large.encoder.path)
    spec = EncoderSpec.load(source).model_copy(update={"layers": layers})

    given = large.head.probabilities(large.vectors, examples["language"].combine_chunks())
    train = np.flatnonzero(examples["split"].to_numpy() == "train")
    texts = examples["text"].combine_chunks().take(pa.array(train))
    most = min(_LONGEST, token_limit(source, model_config(source)))

    def build(target: Path) -> None:
        rows = Reader(source, spec.prefix, most, 1).rows(texts)
        vocabulary.prune(source, target, spec, np.unique(np.concatenate([np.asarray(row) for row in rows])))
        if config.epochs and spec.layers == (0,) and spec.pooling == ("mean",):
            train_embedding(target, texts, given[train], config.epochs, config.head.seed)

    about = {"base": large.encoder.reference, "licence": large.encoder.manifest.get("licence", "unknown")}
    rows = erasure.record(store, erasure.text_names(texts))
    encoder = registry.publish(models, CUT, build, live=False, candidate=True, **about, **rows)
    vectors = embed(examples, config.engine, encoder.path, config.workers).vectors
    labels = pa.array(given.argmax(axis=1).astype(np.int8))
    relabelled = examples.set_column(examples.column_names.index("label"), "label", labels)
    head = fit(relabelled, vectors, config.head, encoder.reference)
    about |= {"encoder": encoder.reference, "base": encoder.reference, "metrics": {}}
    model = registry.publish(models, sentiment_head.NAME, head.save, live=False, candidate=True, **about, **rows)
    return Side(model, encoder, head, vectors)


def accept(models: str, sides: Sequence[Side]) -> None:
    """Turn the candidates that were made for a cascade into registered models, since the published cascade names them.

    Args:
        models: The registry's root.
        sides: All models of the cascade; those that existed before are left alone.
    """
    for side in sides:
        for model in (side.encoder, side.model):
            if model.manifest.get("candidate"):
                shown = registry.describe(models, model)
                if shown.name == CUT:
                    registry.point(models, shown)


def withdraw(models: str, sides: Sequence[Side]) -> None:
    """Delete the candidates that were made for a refused cascade; models that existed before stay.

    Args:
        models: The registry's root.
        sides: All models of the cascade.
    """
    for side in sides:
        registry.withdraw(models, side.model)
        registry.withdraw(models, side.encoder)
