"""Reviews -> review_moderation: what the job moderate_reviews does."""

from __future__ import annotations

from collections import Counter

from shopbatch.capabilities.moderation.config import Actions, ModerateReviewsConfig
from shopbatch.capabilities.moderation.stage import STRICTNESS, ModerationStage
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.review_moderation import REVIEW_MODERATION, REVIEW_MODERATION_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store

JOB = "moderate_reviews"


def moderation_spec(config: ModerateReviewsConfig) -> Spec:
    """The inference job that moderates reviews."""
    return Spec(JOB, REVIEWS, ModerationStage(config.actions), REVIEW_MODERATION, REVIEW_MODERATION_REJECTS)


def moderation_specs(config: ModerateReviewsConfig, store: Store, report: Report) -> list[Spec]:
    """The inference jobs that moderate_reviews is made of: one."""
    return [moderation_spec(config)]


def moderate_reviews(config: ModerateReviewsConfig, store: Store, report: Report) -> None:
    """Moderate the new and changed reviews and publish what becomes of them. Raises what `run_inference` raises."""
    report.unit = "reviews"
    spec = moderation_spec(config)
    run_inference(spec, config, store, report)
    live = find_live(spec, store)
    if live is not None:
        rows = live.read(["action", "kinds"]).to_pylist()
        add_figures(report, Counter((row["action"], tuple(row["kinds"])) for row in rows))


def add_figures(report: Report, counted: Counter[tuple[str, tuple[str, ...]]]) -> None:
    """Add the numbers of reviews by action and by kind.

    Args:
        report: Is filled.
        counted: Number of live reviews by action and kinds.
    """
    actions: Counter[str] = Counter()
    cells: Counter[tuple[str, str]] = Counter()
    for (action, its_kinds), rows in counted.items():
        actions[action] += rows
        cells.update({(kind, action): rows for kind in its_kinds})
    kinds = list(Actions.model_fields)
    by_kind = {kind: sum(cells[kind, action] for action in STRICTNESS) for kind in kinds}
    report.metrics["actions"] = {action: actions[action] for action in STRICTNESS}
    report.metrics["kinds"] = by_kind
    report.highlights = {action: f"{actions[action]:,}" for action in STRICTNESS}
    report.highlights |= {kind: f"{number:,}" for kind, number in by_kind.items() if number}
    series = {action: [cells[kind, action] for kind in kinds] for action in STRICTNESS[1:]}
    caption = "Live reviews by kind of finding and by what becomes of the review. A review may be of several kinds."
    report.figures.append(Figure("bars", "What was found", {"groups": kinds, "series": series}, caption))
