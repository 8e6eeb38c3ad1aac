"""A trained encoder and its head become what score_reviews can use, as far as the registry shows models."""

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
    """Make a candidate encoder and its head the live ones.

    Args:
        store: The warehouse.
        report: Its `quality` is remembered with the head; it gets the digests.
        name: Name of the head in the registry.
        candidate: The encoder.
        head: The head, which names the encoder.
        examples: All examples; the texts of the training split are recorded.
        about: What else the head's manifest says.
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
    registry.point(models, registry.describe(models, candidate, **rows))  # before the head, which names it
    published = registry.publish(models, name, head.save, live=True, **known | about)
    report.models |= {"encoder": candidate.digest, name: published.digest}
    report.outcome = "published"


def derived_from(base: Model) -> str:
    """Return the licence of what was trained from a model."""
    return f"derived from {base.name} ({base.manifest.get('licence', 'unknown licence')})"
