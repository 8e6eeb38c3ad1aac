"""The sentences that a number opens: clauses of reviews, verbatim but for masked personal data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl

from shopbatch.capabilities.insights.summarise_labels import flat
from shopbatch.core.privacy import mask, redact_text
from shopbatch.inference.samples import content_of, rows_with
from shopbatch.tables.product_aspects import SATISFACTION
from shopbatch.warehouse.store import Snapshot

_CUT, _QUOTE = 20_000, 220  # characters of a review that are looked at, and of a quote that are shown


class Quote(NamedTuple):
    """A sentence, and the review that it is from: by its id a page is found again when a person is erased."""

    review: str
    text: str


class Quotes:
    """Quotes of the reviews that were asked for."""

    def __init__(self, reviews: Snapshot, results: Snapshot, ids: Iterable[str]) -> None:
        """Read the reviews.

        Args:
            reviews: The table reviews. A review whose text has changed since it was analysed is not quoted.
            results: The table review_aspects.
            ids: The reviews.
        """
        wanted = sorted(set(ids))
        columns = ["review_id", "content_hash", "aspects", "remarks"]
        rows = pl.DataFrame(rows_with(results, "review_id", wanted, columns)) if wanted else pl.DataFrame()
        self._rows: dict[str, dict[str, Any]] = {}
        if not rows.is_empty():
            rows = rows.unique("review_id", keep="first", maintain_order=True)
            texts = content_of(reviews, "review_id", ("title", "text"), rows)
            both = rows.join(texts, on=["review_id", "content_hash"], how="inner", maintain_order="left")
            self._rows = {row["review_id"]: row for row in both.iter_rows(named=True)}

    def of(self, row: Mapping[str, Any], praise: bool = False) -> list[Quote]:
        """The quotes of a row of product_aspects, each text once, the clearest first."""
        quotes: dict[str, Quote] = {}
        for review in row["praise" if praise else "quotes"]:
            if text := self._quote(review, row["aspect"]):
                quotes.setdefault(text, Quote(review, text))
        return list(quotes.values())

    def _quote(self, review: str, aspect: str) -> str:
        row = self._rows.get(review)
        if row is None:
            return ""
        if aspect == SATISFACTION:
            return shown(row["text"] or row["title"] or "", 0, _CUT)
        spans = [s for s in row["aspects"] if s["aspect"] == aspect] + [
            s for s in row["remarks"] if s["kind"] == aspect
        ]
        return shown(row[spans[0]["column"]] or "", spans[0]["start"], spans[0]["end"]) if spans else ""


def shown(text: str, start: int, end: int) -> str:
    """A clause of a text with personal data and secrets masked; empty if masking the whole text masks more of it.

    A number of which only half is in the clause is not recognised there, so such a clause is not shown.
    """
    clause, whole = _safe(text[start : min(end, _CUT)]), _safe(text[:_CUT])
    if not clause or clause not in whole:
        return ""
    return clause if len(clause) <= _QUOTE else clause[:_QUOTE].rstrip() + "…"


def _safe(text: str) -> str:
    return mask(redact_text(flat(text)))
