"""Decides whether a search is accepted: above the best tuned BM25, not below the live one, and judged enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shopbatch.capabilities.search.quality.config import Gates
from shopbatch.evaluation.classification import Interval
from shopbatch.warehouse.gates import Gate, explain

Verdict = Literal["above", "not above", "below live", "cannot tell"]
_UNDO = "keep the live one: set embed_products back to what it was and run it again"


@dataclass(frozen=True)
class Evidence:
    """The measurements that a verdict is based on.

    Attributes:
        queries: Number of queries of the test half that have a useful product.
        unjudged: Share of the candidate's first ten products that nobody judged, 0 to 1.
        baseline: Name of the best BM25 variant.
        above: Mean nDCG@10 of the candidate minus that of the best BM25 variant.
        live: Name of a live or earlier search -> mean nDCG@10 of the candidate minus that of this search.
    """

    queries: int
    unjudged: float
    baseline: str
    above: Interval
    live: Mapping[str, Interval]


def verdict(evidence: Evidence, limits: Gates, undo: str = _UNDO) -> tuple[Verdict, list[Gate]]:
    """Judge a candidate by its measurements.

    Args:
        evidence: The measurements.
        limits: The conditions that the candidate must meet.
        undo: Advice for a candidate that is below the live search.

    Returns:
        The verdict and all gates. The verdict is the first that applies of "cannot tell" (too few judgements), "below
        live", "not above" (the best BM25) and "above".
    """
    enough = _enough(evidence, limits)
    live = [_live(name, gap, limits, undo) for name, gap in evidence.live.items()]
    above = _above(evidence)
    if not all(gate.passed for gate in enough):
        return "cannot tell", [*enough, *live, above]
    if not all(gate.passed for gate in live):
        return "below live", [*enough, *live, above]
    return ("above" if above.passed else "not above"), [*enough, *live, above]


def _enough(evidence: Evidence, limits: Gates) -> list[Gate]:
    many = evidence.queries >= limits.min_queries
    judged = evidence.unjudged <= limits.max_unjudged
    return [
        Gate(
            "judged queries",
            evidence.queries,
            limits.min_queries,
            many,
            explain(
                many,
                f"only {evidence.queries:,} judged queries of the test half have a useful product, fewer "
                f"than gates.min_queries={limits.min_queries}",
                "their mean says little",
                "load more judgements",
            ),
        ),
        Gate(
            "judged products",
            round(evidence.unjudged, 5),
            limits.max_unjudged,
            judged,
            explain(
                judged,
                f"nobody judged {evidence.unjudged:.0%} of the first ten products, more than "
                f"gates.max_unjudged={limits.max_unjudged}",
                "they count as useless, whatever they are",
                "fill in the grades of to_judge.csv beside the report and load it into `judgements`, or set "
                "gates.max_unjudged",
            ),
        ),
    ]


def _live(name: str, gap: Interval, limits: Gates, undo: str) -> Gate:
    passed = gap.high >= 0 and gap.value >= -limits.max_drop
    what = f"nDCG@10 is {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] against {name}"
    detail = explain(passed, what, "shoppers would find less than they do now", undo, what)
    return Gate(f"not below {name}", round(gap.value, 5), -limits.max_drop, passed, detail)


def _above(evidence: Evidence) -> Gate:
    gap = evidence.above
    passed = gap.low > 0
    what = f"nDCG@10 is {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] against {evidence.baseline}, tuned"
    why = "the search is not surely better than counting words"
    do = "see what the report's queries lack: another encoder, more labelled queries, the texts of the products"
    return Gate("above tuned BM25", round(gap.value, 5), 0, passed, explain(passed, what, why, do, what))
