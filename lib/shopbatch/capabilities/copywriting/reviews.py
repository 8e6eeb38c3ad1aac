"""Reviewers' verdicts on published copy, and how describe_products applies them.

An edited text replaces the published one; a refused text is no longer published.
"""

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

WRITER = "review"  # value of product_descriptions.writer for edited texts
REFUSED = "refused_by_reviewer"


@dataclass(frozen=True)
class Review:
    """A reviewer's verdict on one published text; a row of `copy_reviews`.

    Attributes:
        product_id: The product.
        language: ISO 639 code of the copy.
        text_digest: Digest of the reviewed text, see the function `text_digest`.
        content_hash: Hash of the product's content from which the reviewed text was written.
        attributes: The product's attributes when the verdict was loaded, as `prompt.fenced` formats them.
        verdict: accept, edit or refuse.
        copy: The reviewed text; for an edit the new text.
        reason: The reviewer's reason; None if none was given.
        trusted: Whether the new text may state claims that the attributes do not back.
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
    """The verdicts of one language that change what is published: edits and refusals.

    Attributes:
        edits: The latest edit of each (product_id, content hash).
        refused: For each product_id the digests of its refused texts.
    """

    edits: Mapping[tuple[str, str], Review] = field(default_factory=dict)
    refused: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return True if there is an edit or a refusal."""
        return bool(self.edits or self.refused)

    @property
    def identity(self) -> str:
        """Return the digest of the verdicts; if it changes, the stage publishes again."""
        edits = sorted([*key, copy_json(e.copy), e.trusted] for key, e in self.edits.items())
        return digest([edits, sorted(text for texts in self.refused.values() for text in texts)])


def text_digest(product_id: str, language: str, copy: Copy) -> str:
    """Return the digest that identifies a text of a product in review sheets and in `copy_reviews`.

    White space is ignored, because spreadsheets change it. The digest begins with a letter, so that no spreadsheet
    takes it for a number.

    Args:
        product_id: The product.
        language: ISO 639 code of the copy.
        copy: The text.
    """
    parts = [copy.headline, copy.description, *copy.bullets, copy.meta or ""]
    return f"t{digest([product_id, language, [' '.join(part.split()) for part in parts]])}"


def copy_json(copy: Copy) -> str:
    """Return copy as JSON on one line, the form in which generators write it and `copy_format.parse` reads it."""
    parts: dict[str, Any] = {"headline": copy.headline, "description": copy.description, "bullets": list(copy.bullets)}
    return json.dumps(parts | ({"meta": copy.meta} if copy.meta else {}), ensure_ascii=False)


def copy_of(row: Mapping[str, Any]) -> Copy:
    """Build copy from a row with the columns headline, description, bullets and meta_description.

    Raises:
        ValidationError: A part is missing or the number of bullets is wrong.
    """
    bullets, meta = tuple(row["bullets"]), row["meta_description"]
    return Copy(headline=row["headline"], description=row["description"], bullets=bullets, meta=meta)


def judge_edit(rules: Rules, language: str, copy: Copy, facts: Mapping[str, str | None], trusted: bool) -> Verdict:
    """Judge an edited text by the same rules as generated ones.

    Two rules are left to the reviewer: whether the text names the product, and whether it mentions enough attributes.

    Args:
        rules: Settings of the rules.
        language: ISO 639 code of the copy.
        copy: The edited text.
        facts: The product's attributes.
        trusted: Whether claims without backing are accepted; banned claims never are.
    """
    verdict = Judge(rules, language, "")(copy_json(copy), "stop", Facts(facts))
    if trusted and verdict.findings and all(finding.kind != "banned" for finding in verdict.findings):
        return Verdict(verdict.copy, None)
    return verdict


def latest_reviews(store: Store, report: Report | None = None) -> dict[str, Review]:
    """Return a dict from the digest of each reviewed text to the latest verdict on it, ordered by time, earliest first.

    It is {} if the table `copy_reviews` does not exist.

    Args:
        store: The warehouse.
        report: A run's report that records the version of the table; None: nothing is recorded.

    Raises:
        UserError: A declared column of the table is missing or has another type.
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
    """Replace content hashes of earlier software versions by the present ones, so that old verdicts stay valid.

    Args:
        store: The warehouse, for the present content of the products.
        reviews: The verdicts by digest of the text.
    """
    contents = contents_of(store, [review.product_id for review in reviews.values()])
    names = dict(zip(zip(contents.products, contents.former, strict=True), contents.hashes, strict=True))
    return {
        text: replace(review, content_hash=names.get((review.product_id, review.content_hash), review.content_hash))
        for text, review in reviews.items()
    }


def decisions(reviews: Sequence[Review], language: str) -> Decisions:
    """Select the edits and refusals of a language.

    Args:
        reviews: The latest verdict on each text, ordered by time, earliest first.
        language: ISO 639 code.
    """
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
