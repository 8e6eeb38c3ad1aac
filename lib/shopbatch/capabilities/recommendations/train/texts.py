"""Compute vectors of product texts in each way that the training compares: words (tf-idf) and an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from shopbatch.capabilities.recommendations.cold import TextVectors
from shopbatch.capabilities.recommendations.train.config import TextConfig
from shopbatch.engines.base import encode_all
from shopbatch.engines.factory import open_engine, prepare
from shopbatch.models import registry
from shopbatch.models.registry import Model

_PACKAGED = "e5-small"


def encoder_of(config: TextConfig, models: str) -> Model | None:
    """Return the encoder that the configuration names; None if `text.encoder` is `auto` or `off`.

    Args:
        config: Settings of the text part.
        models: Root folder of the model registry.

    Raises:
        ModelError: There is no such encoder.
    """
    return None if config.encoder in ("auto", "off") else registry.base(models, config.encoder)


def ways_of(config: TextConfig, models: str, texts: Sequence[str]) -> dict[str, TextVectors]:
    """Return the vectors of the texts from each method to compare: {"tf-idf" or the encoder's reference: vectors}.

    Args:
        config: Settings of the text part, which say whether an encoder is used.
        models: Root folder of the model registry.
        texts: Distinct texts.
    """
    ways = {"tf-idf": TextVectors.tf_idf(texts)}
    encoder = encoder_of(config, models)
    if config.encoder == "auto" and 0 < len(texts) <= config.most:
        encoder = registry.base(models, _PACKAGED)
    if encoder is not None and texts:
        prepare(config.engine, encoder.path)
        encoded = encode_all(open_engine(config.engine, encoder.path), pa.array(texts, pa.string()))
        # an encoder's cosines are above 0 even for unrelated texts; after subtracting the mean, these are below 0
        vectors = encoded.vectors - encoded.vectors.mean(0, keepdims=True)
        ways[encoder.reference] = TextVectors.dense(vectors)
    return ways
