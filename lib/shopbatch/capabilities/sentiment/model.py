"""The sentiment model that `score_reviews` uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.models.registry import resolve


@dataclass(frozen=True)
class Sentiment:
    """What `score_reviews` needs: paths of encoder and head ("" for the fake engine) and their digests."""

    encoder: str
    head: str
    digests: Mapping[str, str]


def sentiment(root: str, reference: str, kind: str) -> tuple[Sentiment, dict[str, Any]]:
    """The head that `reference` means with the encoder it was trained on, and its metrics.

    root: the warehouse. kind: of the engine; `fake` needs neither. Raises ModelError.
    """
    if kind == "fake":
        return Sentiment("", "", {"encoder": "fake", "head": "fake"}), {}
    store = f"{root}/_models"
    head = resolve(store, reference)
    encoder = resolve(store, SentimentHead.load(head.path).encoder)
    digests = {"encoder": encoder.digest, "head": head.digest}
    return Sentiment(encoder.path, head.path, digests), dict(head.manifest.get("metrics", {}))
