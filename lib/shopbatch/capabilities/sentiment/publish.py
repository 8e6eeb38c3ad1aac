"""Publish a trained encoder together with its sentiment head, so that score_reviews can use them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.models import erasure, registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store


def publish_pair(
    store: Store, report: Report, name: str, candidate: Model, head: SentimentHead, examples: pa.Table, **about: Any
) -> None:
    """Publish a candidate encoder and its head in the registry; each becomes live under its name.

    Args:
        store: The warehouse.
        report: Its metric `quality` is stored with the head; the digests and the outcome are written to it.
        name: Name of the head in the registry.
        candidate: The encoder.
        head: The head, which names the encoder.
        examples: All examples. The texts of the training split are recorded, so that erasure requests can find the
            model.
        about: Further entries of the head's manifest.
    """
    models = f"{store.root}/_models"
    trained = examples.filter(pc.equal(examples["split"], "train"))
    rows = erasure.record(store, erasure.text_names(trained["text"]))
    known = {
        "encoder": candidate.reference,
        "metrics": report.metrics["quality"],
        **rows,
        "config": report.config,
        "tables": {"reviews": report.tables["reviews"]["read"]},
    }
    registry.point(models, registry.describe(models, candidate, **rows))  # before the head, because the head names it
    published = registry.publish(models, name, head.save, live=True, **known | about)
    report.models |= {"encoder": candidate.digest, name: published.digest}
    report.outcome = "published"


def derived_from(base: Model) -> str:
    """Return the licence text for a model that was trained from `base`, such as "derived from e5-small (MIT)"."""
    return f"derived from {base.name} ({base.manifest.get('licence', 'unknown licence')})"
