"""Quotes for the merchant's page: clauses of reviews, verbatim except that personal data and secrets are masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl

from shopbatch.capabilities.insights.summarise_labels import flat
from shopbatch.core.privacy import mask, redact_text
from shopbatch.inference.samples import content_of, rows_with
from shopbatch.tables.product_aspects import SATISFACTION
from shopbatch.warehouse.store import Snapshot

_CUT, _QUOTE = 20_000, 220  # longest review that is read, and longest quote, in characters


class Quote(NamedTuple):
    """A quoted clause of a review.

    Attributes:
        review: Id of the review. With it, the pages that quote a person are found when that person's data is erased.
        text: The masked clause.
    """

    review: str
    text: str


class Quotes:
    """Looks up the quotes of rows of `product_aspects`; reads the needed reviews once."""

    def __init__(self, reviews: Snapshot, results: Snapshot, ids: Iterable[str]) -> None:
        """Read the reviews that may be quoted.

        Args:
            reviews: The table `reviews`. A review whose text has changed since it was analysed is not quoted.
            results: The table `review_aspects`, which has the positions of the clauses in the reviews.
            ids: Ids of the reviews (review_id).
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
        """Return the quotes of a row of `product_aspects`, the clearest first, without repeated texts.

        Args:
            row: The row, with its lists of review ids: `quotes` (negative clauses, or remarks such as wishes) and
                `praise` (positive clauses).
            praise: True to quote the reviews of `praise`, False for those of `quotes`.
        """
        quotes: dict[str, Quote] = {}
        for review in row["praise" if praise else "quotes"]:
            if text := self._quote(review, row["aspect"]):
                quotes.setdefault(text, Quote(review, text))
        return list(quotes.values())

    def _quote(self, review: str, aspect: str) -> str:
        """Return the masked clause of a review about an aspect or remark; "" if it cannot be shown.

        For the aspect `satisfaction`, which is about the whole review, the beginning of the review's text is returned.
        """
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
    """Return the clause text[start:end] with personal data and secrets masked, cut to 220 characters.

    Returns:
        "" if the clause is empty. Also "" if the whole text, when it is masked, no longer contains the masked clause:
        then the clause holds a part of a number that is recognised only together with its other part.
    """
    clause, whole = _safe(text[start : min(end, _CUT)]), _safe(text[:_CUT])
    if not clause or clause not in whole:
        return ""
    return clause if len(clause) <= _QUOTE else clause[:_QUOTE].rstrip() + "…"


def _safe(text: str) -> str:
    """Return the text in one line with personal data and secrets masked."""
    return mask(redact_text(flat(text)))
