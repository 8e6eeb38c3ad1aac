"""measure_campaigns as a user runs it: effects published once, a kill, a campaign without a draw refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from shopbatch.warehouse.store import Store
from tests.capabilities.marketing import shop
from tests.jobs.command_line import messages, run_job
from tests.jobs.test_embed_products import killed

pytestmark = pytest.mark.slow


def test_effects_are_published_once_and_a_kill_leaves_nothing_half(store: Store) -> None:
    code, _, err = run_job(store, "measure_campaigns")
    assert code == 2 and "build_user_profiles" in messages(err)[-1]
    tiles, arms = shop.drawn(3_000, "lapsed")
    shop.put(store, "user_daily", tiles)
    code, _, err = run_job(store, "measure_campaigns")
    assert code == 2 and "shopbatch load experiments FILE" in messages(err)[-1]
    shop.put(store, "experiments", arms)
    assert killed(store, "effects_written", "measure_campaigns", ())
    assert store.find("campaign_effects") is None
    code, report, err = run_job(store, "measure_campaigns")
    assert (code, report["outcome"]) == (0, "published"), err
    effects = pl.read_delta(store.uri("campaign_effects"))
    bought = effects.filter((pl.col("metric") == "bought") & (pl.col("period") == "all")).sort("method")
    assert bought["method"].to_list() == ["cuped", "difference"]
    assert all(low < 0.125 < high for low, high in bought.select("low", "high").iter_rows())  # half gain 0.25
    assert not effects.select("experiment_id", "arm", "metric", "method", "period").is_duplicated().any()
    weeks = effects.filter(
        (pl.col("metric") == "sales") & (pl.col("method") == "difference") & (pl.col("period") != "all")
    )
    whole = effects.filter(
        (pl.col("metric") == "sales") & (pl.col("method") == "difference") & (pl.col("period") == "all")
    )
    assert len(weeks) == 4 and weeks["effect"].sum() == pytest.approx(whole["effect"].item())
    folder = Path(store.root) / "_runs" / "measure_campaigns" / report["run_id"]
    page, tree = (folder / "report.html").read_text("utf-8"), json.loads((folder / "report.json").read_text("utf-8"))
    assert "Before and after: spring" in page and "<svg" in page
    lines = next(f for f in tree["figures"] if f["kind"] == "lines")
    assert lines["data"]["series"]["email"][0] == [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]
    assert "u000001" not in json.dumps(tree)
    code, report, _ = run_job(store, "measure_campaigns")
    assert (code, report["outcome"]) == (0, "nothing to do")
    code, report, _ = run_job(store, "measure_campaigns", "window_days=14")
    assert (code, report["outcome"]) == (0, "published")
    known = pl.read_delta(store.uri("campaign_effects"))
    shop.put(store, "experiments", arms[: len(arms) // 3])
    code, _, err = run_job(store, "measure_campaigns", "window_days=14")
    assert (
        code == 3 and "experiments has 1,000 rows" in err and pl.read_delta(store.uri("campaign_effects")).equals(known)
    )


def test_without_a_draw_the_run_is_refused_with_figures(store: Store) -> None:
    tiles, arms = shop.drawn(400, "nobody")
    at = datetime(shop.DAY.year, shop.DAY.month, shop.DAY.day, tzinfo=UTC)
    sent = [a["user_id"] for a in arms if any(t["user_id"] == a["user_id"] and t["day"] > shop.DAY for t in tiles)]
    shop.put(store, "user_daily", tiles)
    shop.put(store, "campaigns", [{"campaign_id": "mail", "user_id": user, "starts_at": at} for user in sent])
    code, report, err = run_job(store, "measure_campaigns")
    assert code == 3 and "nobody was drawn by chance for any of 1 campaigns" in messages(err)[-1]
    assert report["metrics"]["campaigns without an experiment"]["mail"]["gap before"]["low"] > 0
    code, _, err = run_job(store, "train_uplift")
    assert code == 3 and "nobody was drawn by chance" in messages(err)[-1]
    shop.put(store, "experiments", arms[:120])
    code, report, err = run_job(store, "measure_campaigns")
    assert code == 3 and "gates.users=100" in messages(err)[-1]
