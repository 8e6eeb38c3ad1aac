"""The sentiment model that `score_reviews` uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.models.registry import NoLiveModel, resolve


@dataclass(frozen=True)
class Sentiment:
    """What `score_reviews` needs: paths of encoder and head ("" for the fake engine) and their digests."""

    encoder: str
    head: str
    digests: Mapping[str, str]


def sentiment(root: str, reference: str, kind: str) -> tuple[Sentiment, dict[str, Any]]:
    """Return the head that `reference` means with the encoder it was trained on, and its metrics.

    Args:
        root: The warehouse.
        reference: `name@live`, `name@digest` or a folder.
        kind: Kind of the engine; the fake one needs no model.

    Raises:
        ModelError: A model is missing or damaged.
    """
    if kind == "fake":
        return Sentiment("", "", {"encoder": "fake", "head": "fake"}), {}
    store = f"{root}/_models"
    try:
        head = resolve(store, reference)
    except NoLiveModel as error:
        if reference != f"{NAME}@live":
            raise
        raise NoLiveModel(f"{error}; `shopbatch run train_sentiment_head` makes it") from None
    encoder = resolve(store, SentimentHead.load(head.path).encoder)
    digests = {"encoder": encoder.digest, "head": head.digest}
    return Sentiment(encoder.path, head.path, digests), dict(head.manifest.get("metrics", {}))
