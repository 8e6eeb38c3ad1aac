"""What people said of published copy, as describe_products applies it: edits replace texts, refused ones are hidden."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shopbatch.capabilities.copywriting.config import Rules
from shopbatch.capabilities.copywriting.contents import contents_of
from shopbatch.capabilities.copywriting.copy_format import Copy
from shopbatch.capabilities.copywriting.rules import Judge, Verdict
from shopbatch.core.hashing import digest
from shopbatch.grounding.check import Facts
from shopbatch.runs.report import Report
from shopbatch.tables.copy_reviews import COPY_REVIEWS
from shopbatch.warehouse.store import Store

WRITER = "review"  # of an edited text, in product_descriptions.writer
REFUSED = "refused_by_reviewer"


@dataclass(frozen=True)
class Review:
    """A verdict on a text.

    Attributes:
        product_id: The product.
        language: Of the copy.
        text_digest: Names the text that was read, see `text_digest`.
        content_hash: Hash of what was known of the product.
        attributes: What was known of it, as the fenced block.
        verdict: accept, edit or refuse.
        copy: The text; of an edit the new one.
        reason: In the reviewer's words.
        trusted: Whether an edit may say what the facts do not back.
        reviewed_at: When the verdict was loaded.
    """

    product_id: str
    language: str
    text_digest: str
    content_hash: str
    attributes: str
    verdict: str
    copy: Copy
    reason: str | None
    trusted: bool
    reviewed_at: datetime


@dataclass(frozen=True)
class Decisions:
    """The verdicts of one language that change what is published.

    Attributes:
        edits: The latest edit by (product_id, content hash).
        refused: Digests of the refused texts by product_id.
    """

    edits: Mapping[tuple[str, str], Review] = field(default_factory=dict)
    refused: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.edits or self.refused)

    @property
    def identity(self) -> str:
        """Digest of all that can change a published row, to be part of the version of the stage's checks."""
        edits = sorted([*key, copy_json(e.copy), e.trusted] for key, e in self.edits.items())
        return digest([edits, sorted(text for texts in self.refused.values() for text in texts)])


def text_digest(product_id: str, language: str, copy: Copy) -> str:
    """Name a text of a product. White space makes no difference, because spreadsheets change it.

    The name begins with a letter, so that no spreadsheet takes it for a number.
    """
    parts = [copy.headline, copy.description, *copy.bullets, copy.meta or ""]
    return f"t{digest([product_id, language, [' '.join(part.split()) for part in parts]])}"


def copy_json(copy: Copy) -> str:
    """Write copy as a generator writes it: JSON on one line, which `copy_format.parse` reads."""
    parts: dict[str, Any] = {"headline": copy.headline, "description": copy.description, "bullets": list(copy.bullets)}
    return json.dumps(parts | ({"meta": copy.meta} if copy.meta else {}), ensure_ascii=False)


def copy_of(row: Mapping[str, Any]) -> Copy:
    """Read copy from the columns headline, description, bullets and meta_description."""
    bullets, meta = tuple(row["bullets"]), row["meta_description"]
    return Copy(headline=row["headline"], description=row["description"], bullets=bullets, meta=meta)


def judge_edit(rules: Rules, language: str, copy: Copy, facts: Mapping[str, str | None], trusted: bool) -> Verdict:
    """Judge an edited text by the rules of written ones. If it is trusted, only banned claims count among its claims.

    Naming the product and mentioning enough of its facts is left to the editor.
    """
    verdict = Judge(rules, language, "")(copy_json(copy), "stop", Facts(facts))
    if trusted and verdict.findings and all(finding.kind != "banned" for finding in verdict.findings):
        return Verdict(verdict.copy, None)
    return verdict


def latest_reviews(store: Store, report: Report | None = None) -> dict[str, Review]:
    """Read the latest verdict on each text, by the digest of the text; the oldest first.

    Args:
        store: The warehouse.
        report: Is told which version was read.

    Raises:
        UserError: The table has other columns than those declared.
    """
    if not store.exists(COPY_REVIEWS.name):
        return {}
    snapshot = store.require(COPY_REVIEWS, COPY_REVIEWS.names)
    if report is not None:
        report.tables[COPY_REVIEWS.name] = {"read": snapshot.version}
    rows = snapshot.read(COPY_REVIEWS.names).to_pylist()
    latest: dict[str, Review] = {}
    for row in sorted(rows, key=lambda row: (row["reviewed_at"], row["text_digest"])):
        values = {name: row[name] for name in Review.__dataclass_fields__ if name != "copy"}
        latest.pop(row["text_digest"], None)
        latest[row["text_digest"]] = Review(**values, copy=copy_of(row))
    return _renamed(store, latest)


def _renamed(store: Store, reviews: Mapping[str, Review]) -> dict[str, Review]:
    """Name contents by today's hash, so that verdicts that an older version stored count on."""
    contents = contents_of(store, [review.product_id for review in reviews.values()])
    names = dict(zip(zip(contents.products, contents.former, strict=True), contents.hashes, strict=True))
    return {
        text: replace(review, content_hash=names.get((review.product_id, review.content_hash), review.content_hash))
        for text, review in reviews.items()
    }


def decisions(reviews: Sequence[Review], language: str) -> Decisions:
    """Choose what the verdicts change in a language. reviews: the latest on each text, the oldest first."""
    edits: dict[tuple[str, str], Review] = {}
    refused: dict[str, frozenset[str]] = {}
    for review in reviews:
        if review.language != language:
            continue
        if review.verdict == "edit":
            edits[review.product_id, review.content_hash] = review
        if review.verdict == "refuse":
            others = refused.get(review.product_id, frozenset())
            refused[review.product_id] = others | {review.text_digest}
    return Decisions(edits, refused)
