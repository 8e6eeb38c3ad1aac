"""Title and text of a review -> what is harmful in them, and what becomes of the review.

The memo keeps the findings, which depend on the text alone. What they lead to is decided when the table is published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.moderation.config import Action, Actions
from shopbatch.core.hashing import digest
from shopbatch.inference.stage import BaseStage
from shopbatch.tables.review_moderation import FINDING, REVIEW_MODERATION
from shopbatch.text.moderation.find import VERSION as FINDING_VERSION
from shopbatch.text.moderation.find import Finding, find, masked

VERSION = 1  # of what is published of the findings
COLUMNS = ("title", "text")
STRICTNESS: tuple[Action, ...] = ("publish", "mask", "hold")
_LEFT = "masked texts that still hold what is masked"


@dataclass(frozen=True)
class ModerationStage(BaseStage):
    """The stage of moderate_reviews.

    Attributes:
        actions: What becomes of a review, by kind of finding.
    """

    actions: Actions = field(default_factory=Actions)
    content: tuple[str, ...] = COLUMNS
    passthrough_columns: tuple[str, ...] = ("product_id", "language", *COLUMNS)
    drift_columns: tuple[str, str] = ("language", "action")
    outputs: pa.Schema = field(default_factory=lambda: pa.schema([("findings", pa.list_(FINDING))]))

    @property
    def checks(self) -> str:
        """The versions of what is checked and published, and the actions: a change of them computes nothing."""
        return f"{super().checks}.{VERSION}/{digest(self.actions.model_dump())}"

    def recipe(self) -> Mapping[str, Any]:
        return {"stage": "moderation", "version": FINDING_VERSION}

    def open(self) -> Moderator:
        """The words are read with the first text."""
        return Moderator()

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Decide what becomes of each review; of one that is masked, make the masked title and text."""
        texts = zip(*(passed[name].to_pylist() for name in COLUMNS), strict=True)
        rows = [self._decide(both, findings) for both, findings in zip(texts, raw["findings"].to_pylist(), strict=True)]
        schema = REVIEW_MODERATION.schema()
        made = {
            name: pa.array([row[name] for row in rows], schema.field(name).type)
            for name in ("action", "kinds", "masked_title", "masked_text")
        }
        return made | {"findings": raw["findings"], "language": pc.coalesce(passed["language"], pa.scalar("und"))}

    def _decide(self, texts: Sequence[str | None], findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        kinds = sorted({finding["kind"] for finding in findings})
        action = max((getattr(self.actions, kind) for kind in kinds), key=STRICTNESS.index, default="publish")
        row = {"action": action, "kinds": kinds, "masked_title": None, "masked_text": None}
        if action == "mask":
            hidden = {kind for kind in kinds if getattr(self.actions, kind) == "mask"}
            row["masked_title"], row["masked_text"] = (_mask(text, hidden) for text in texts)
        return row

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Count the masked texts in which what was masked can still be found."""
        rows = published.filter(pc.equal(published["action"], "mask"))
        kept = zip(*(rows[name].to_pylist() for name in ("kinds", "masked_title", "masked_text")), strict=True)
        left = 0
        for kinds, *texts in kept:
            hidden = {kind for kind in kinds if getattr(self.actions, kind) == "mask"}
            left += any(hidden & {finding.kind for finding in find(text)} for text in texts if text)
        return {_LEFT: float(left)}

    def limits(self) -> dict[str, float]:
        return {_LEFT: 0.0}


class Moderator:
    """The stage inside a worker."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return [np.arange(content.num_rows)] if content.num_rows else []

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        columns = [content[name].to_pylist() for name in COLUMNS]
        findings = [list(_findings(texts)) for texts in zip(*columns, strict=True)]
        none = np.zeros(content.num_rows, np.int32)
        return pa.table({"findings": pa.array(findings, pa.list_(FINDING)), "tokens": pa.array(none)})


def _findings(texts: Sequence[str | None]) -> Iterator[dict[str, Any]]:
    for name, text in zip(COLUMNS, texts, strict=True):
        for finding in find(text or ""):
            place = {"start": finding.start, "end": finding.end}
            yield {"kind": finding.kind, "column": name, **place, "rule": finding.rule}


def _mask(text: str | None, kinds: set[str]) -> str | None:
    """Hide these kinds in a text, also what can be found only when something else is hidden."""
    for _ in range(3):
        findings: list[Finding] = [finding for finding in find(text or "") if finding.kind in kinds]
        if text is None or not findings:
            break
        text = masked(text, findings)
    return text
