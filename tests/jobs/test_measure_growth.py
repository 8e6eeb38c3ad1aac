"""The whole job as a user runs it: a generated shop's truth, tables that agree, a page, nothing to do, a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.growth import measure
from shopbatch.capabilities.growth.config import MeasureConfig
from shopbatch.core.errors import GateRefused
from shopbatch.runs.report import Report
from shopbatch.sample.referrals import Truth, referral_events
from shopbatch.sample.shop import Shop
from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.warehouse.store import Store
from tests.capabilities.growth.events import event, put
from tests.jobs.command_line import messages, run_job

SHOP = Shop(reviews=100, products=100, users=12_000, seed=9)
QUICK = ("intervals.resamples=60",)


def fill(store: Store) -> None:
    data = referral_events(SHOP, 0, SHOP.users)
    store.commit(REFERRAL_EVENTS, [store.write_file(REFERRAL_EVENTS, data, "test", 0)], "replace", "test")


def measured(spark: SparkSession, store: Store) -> Report:
    report = Report(job="measure_growth")
    config = MeasureConfig.model_validate({"intervals": {"resamples": 60}})
    measure.measure_growth(spark, config, store, report)
    return report


def rows(store: Store, table: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.snapshot(table).read()))


def test_a_generated_shop_is_measured_once(spark: SparkSession, store: Store) -> None:
    code, _, err = run_job(store, "measure_growth")
    assert code == 2 and "shopbatch load referral_events" in messages(err)[-1]
    fill(store)
    code, report, _ = run_job(store, "measure_growth", "weeks=104", *QUICK)
    assert code == 0 and report["outcome"] == "published", report["message"]
    truth, cohorts, cascades = Truth(), rows(store, "growth_cohorts"), rows(store, "cascades")
    whole = cohorts.filter((pl.col("channel") == "all") & (pl.col("cohort") == "all")).row(0, named=True)
    assert whole["system_low"] <= truth.system + 0.04 and truth.system - 0.04 <= whole["system_high"]
    assert abs(whole["system_k"] - truth.system) < 0.05
    for name, k, delay in zip((*truth.channels, "direct"), truth.factors, (*truth.delays, None), strict=True):
        row = cohorts.filter((pl.col("channel") == name) & (pl.col("cohort") == "all")).row(0, named=True)
        assert row["k"] == pytest.approx(k, abs=0.08), name
        assert delay is None or row["cycle_days"] == pytest.approx(delay, rel=0.15)
        assert row["k_low"] < row["k"] < row["k_high"]
    events = rows(store, "referral_events").filter(pl.col("at") < whole["as_of"])
    joined = events.filter(kind="joined")
    assert cascades["size"].sum() == len(joined) and len(cascades) == joined["inviter_id"].null_count()
    assert int(cascades["depth"].max() or 0) >= 6
    single = cohorts.filter((pl.col("channel") != "all") & (pl.col("cohort") != "all"))
    for column in ("users", "children", "invited", "joined", "bought"):
        assert single[column].sum() == whole[column], column
    assert whole["joined"] == pytest.approx(joined["inviter_id"].count(), rel=0.03), "but for the first days"
    forecast = rows(store, "growth_forecast").sort("day")
    assert len(forecast) == 56 and (forecast["total"].diff().drop_nulls() > 0).all()
    assert (forecast["low_95"] <= forecast["low_80"]).all() and (forecast["high_80"] <= forecast["high_95"]).all()
    page(store, report, set(joined["invitee_id"]))
    code, report, _ = run_job(store, "measure_growth", "weeks=104", *QUICK)
    assert code == 0 and report["outcome"] == "nothing to do"


def page(store: Store, report: dict[str, Any], users: set[str]) -> None:
    """The page has its pictures, and names nobody."""
    folder = Path(store.root) / "_runs" / "measure_growth" / report["run_id"]
    text = (folder / "growth.html").read_text("utf-8")
    for part in ("By week of joining", "The largest cascade", "What is expected", 'class="wide95"', "M", "email"):
        assert part in text
    assert "Users whom one user brings" in (folder / "report.html").read_text("utf-8")
    everything = text + (folder / "cohorts.csv").read_text("utf-8") + (folder / "report.html").read_text("utf-8")
    assert not any(f">{user}<" in everything or f'"{user}"' in everything for user in users)


def test_a_purchase_counts_in_the_week_after_the_join(spark: SparkSession, store: Store) -> None:
    put(store, [
        event("joined", None, "a", 0), event("joined", "a", "b", 1), event("invited", "a", "c", 1),
        event("bought", None, "b", 1.5), event("bought", None, "a", 9), event("joined", None, "z", 40),
    ])  # fmt: skip
    code, report, _ = run_job(store, "measure_growth", "weeks=8", *QUICK)
    assert code == 0, report["message"]
    row = rows(store, "growth_cohorts").filter((pl.col("channel") == "all") & (pl.col("cohort") == "2026-01-05"))
    assert row["retention"].to_list()[0][:3] == [0.5, 0.5, 0.0] and row["users"].to_list() == [2]
    assert row.select("invited", "joined", "bought").row(0) == (2, 1, 1)
    assert rows(store, "cascades").select("root_id", "size", "depth", "days").rows() == [("a", 2, 1, 1.0)]


def test_a_kill_between_the_commits_is_made_good_and_an_emptied_source_is_refused(
    spark: SparkSession, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [event("joined", None, f"r{n}", n / 10) for n in range(30)]
    put(store, [*data, *(event("joined", f"r{n}", f"c{n}", 5 + n / 10) for n in range(30))])

    class Killed(BaseException):
        pass

    def killing(at: str) -> Any:
        def crash_point(name: str) -> None:
            if name == at:
                raise Killed

        return crash_point

    for point, there in (("growth_written", []), ("growth_committed", ["cascades"])):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(measure, "crash_point", killing(point))
            measured(spark, store)
        assert [t for t in ("cascades", "growth_cohorts", "growth_forecast") if store.exists(t)] == there
    assert measured(spark, store).outcome == "published" and store.exists("growth_cohorts")
    assert measured(spark, store).outcome == "nothing to do"
    before = store.snapshot("cascades").version
    put(store, data[:12])
    with pytest.raises(GateRefused, match=r"gates\.rows"):
        measured(spark, store)
    assert store.snapshot("cascades").version == before
