"""The pages in a real browser: nothing sticks out at the width of a desk or of a telephone, and no error appears."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopbatch.runs.page import render
from shopbatch.runs.report import Figure, Report, Rows, Stage
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.store import Store
from tests import browser
from tests.capabilities.sentiment import test_merchant as merchant
from tests.runs.test_page import block

pytestmark = browser.marks
LONG = "b7e23ec29af22b0b4e41da31e868d57226121c84" * 2


def inference_report() -> Report:
    report = Report("score_reviews", "20261129T105536Z-2228d8", config={"engine": {"kind": "fake"}, "model": LONG})
    report.rows = Rows(read=2_348_600, distinct=22000, reused=0, computed=1000, rejected=84_500, pending=0, published=9)
    report.rejects = {"empty": 845, LONG: 3}
    report.tables = {"reviews": {"read": 3}, "review_sentiment_rejects": {"written": 5}}
    report.models, report.recipe = {"sentiment": LONG}, "9b1f"
    report.stages = {"compute": Stage(187.0, 1000), LONG: Stage(1.0)}
    report.gates = [Gate("drift", 0.034, 0.1, True, "moved little"), Gate("recipe", LONG, "first", False, LONG)]
    labels = ["negative", "neutral", "positive"]
    report.metrics = {"mix": {"en": dict.fromkeys(labels, 7), LONG: {"negative": 1}}, "quality": {"en": block(labels)}}
    report.samples = [{"language": "en", "label": x, "review_id": LONG, "text": "word " * 50 + LONG} for x in labels]
    report.links = {"The page for the merchant": "merchant.html"}
    report.finish("refused", 3, f"gate recipe refused {LONG}")
    return report


def profile_report() -> Report:
    report = Report("build_user_profiles", unit="users")
    report.rows = Rows(read=1_400_000, published=2500, rejected=12)
    panels = {f"feature_{i}": {"low": 0, "high": 1234.5, "counts": [3, 0, 9, 4]} for i in range(12)}
    names = ["champions", "loyal", LONG]
    report.figures = [
        Figure("bars", "Users by segment", {"groups": names, "series": {"users": [1200, 800, 500]}}),
        Figure("histograms", "How features are distributed", {"panels": panels}),
        Figure("table", "Copies", {"columns": [f"column {i}" for i in range(9)], "rows": [[LONG, *range(8)]]}),
    ]
    report.gates = [Gate("money reconciles, in cents", 0, 0, True, "source 1,234, users 1,200, rejects 34")]
    report.finish("published", 0)
    return report


def merchant_page(store: Store) -> str:
    now = datetime(2026, 6, 30, tzinfo=UTC)
    rows = [
        merchant.review(f"p{i % 9}", ("negative", "positive")[i % (2 + i % 9) > 0], f"{LONG} " * 3, at=at)
        for i in range(400)
        for at in (now - timedelta(days=5), now - timedelta(days=45))
    ]
    rows += merchant.several("p8", 40, 40, now - timedelta(days=6)) + merchant.several("p8", 0, 1, now)
    return merchant.page_of(store, merchant.publish(store, rows, {f"p{i}": f"A lamp {LONG}" for i in range(9)}))[0]


def test_pages_fit_their_window_and_raise_no_error(tmp_path: Path, store: Store) -> None:
    log = {"log_tail": [f"ERROR {LONG}"] * 40, "command": f"shopbatch run score_reviews --env local {LONG}"}
    pages = {
        "inference": render(inference_report().to_dict()),
        "profiles": render(profile_report().to_dict()),
        "failed": render(Report("score_reviews").to_dict() | log),
        "merchant": merchant_page(store),
    }
    for name, text in pages.items():
        (tmp_path / f"{name}.html").write_text(text, "utf-8")
    assert browser.look_at(tmp_path, pages) == (set(), [])
