"""The whole job as a user runs it: scores are those of the model, days of the profiles, once; damage; a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pyspark.sql import SparkSession

from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.fit import fit, prepare
from shopbatch.capabilities.marketing.propensity.model import LapseRule, PropensityModel
from shopbatch.capabilities.marketing.propensity.reader import EPOCH, day_number
from shopbatch.evaluation.purchases import Purchases
from shopbatch.models import registry
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing.users import day, drawn, profile, put_daily, put_profiles, user_ids
from tests.jobs.command_line import messages, run_job

LAST = 240


@pytest.fixture(scope="module")
def days() -> Purchases:
    return drawn(5, 400, LAST, (0.01, 0.05, 0.2), stop=0.05)


@pytest.fixture(scope="module")
def model(days: Purchases) -> PropensityModel:
    config = TrainPropensityConfig.model_validate(
        {"days": {"train": 2, "held_out": 1}, "boosting": {"rounds": 20, "rows_in_leaf": 20}}
    )
    prepared = prepare(days, day_number(day(LAST)), config)
    made, line = fit(prepared, "boosting", config), fit(prepared, "linear", config)
    return PropensityModel(prepared.base, made["bought"], line["spent"], LapseRule(30, 3.0))


def fill(store: Store, days: Purchases, model: PropensityModel) -> str:
    put_daily(store, days)
    for number in (LAST - 30, LAST):
        put_profiles(store, day(number), [profile(u, 1, 9, 2, 10.0) for u in user_ids(days.users)])
    return registry.publish(f"{store.root}/_models", "propensity", model.save, origin="test").reference


def test_scores_are_those_of_the_model(
    spark: SparkSession, store: Store, days: Purchases, model: PropensityModel
) -> None:
    put_daily(store, days)
    put_profiles(store, day(LAST), [profile("nobody", 1, 9, 2, 10.0)])
    code, _, err = run_job(store, "score_users")
    assert code == 2 and "train_propensity" in messages(err)[-1]
    reference = fill(store, days, model)
    code, _, err = run_job(store, "score_users", "as_of=2020-01-01")
    assert code == 2 and "holds no such day" in messages(err)[-1]
    code, report, _ = run_job(store, "score_users", f"as_of={day(0)}..{day(LAST)}")
    assert code == 0 and report["outcome"] == "published" and report["metrics"]["days"]["published"] == 2
    rows = pl.read_delta(store.uri("user_scores")).sort("user_id")
    for number in (LAST - 30, LAST):
        as_of = day_number(day(number))
        wanted, ids = model.score(days, as_of), user_ids(days.users)
        mine = rows.filter(pl.col("as_of") == EPOCH + timedelta(days=int(as_of)))
        assert mine["user_id"].to_list() == [ids[u] for u in wanted.users]
        np.testing.assert_allclose(mine["p_purchase_30d"].to_numpy(), wanted.purchase, rtol=1e-9)
        np.testing.assert_allclose(mine["expected_spend_30d"].to_numpy(), wanted.spend, rtol=1e-9)
        churn = mine["p_churn_30d"].fill_null(float("nan")).to_numpy()
        np.testing.assert_allclose(churn, wanted.churn, rtol=1e-9)
        assert 0 < np.isnan(churn).sum() < len(churn)
        assert set(mine["model"]) == {reference}
    assert rows.schema["p_churn_30d"] == pl.Float64
    code, report, _ = run_job(store, "score_users")
    assert code == 0 and report["outcome"] == "nothing to do"
    [file, *_] = [f for f in store.snapshot("user_scores").files if f.partition["as_of"] == str(day(LAST - 30))]
    Path(file.uri).write_bytes(b"\0" * file.size)
    code, report, _ = run_job(store, "score_users")
    assert code == 0 and "damaged" in report["message"]
    columns = [c for c in rows.columns if c != "run_id"]
    assert (
        pl.read_delta(store.uri("user_scores"))
        .sort("user_id", "as_of")
        .select(columns)
        .equals(rows.sort("user_id", "as_of").select(columns))
    )


def test_a_real_kill_before_the_commit_and_the_same_command(
    store: Store, days: Purchases, model: PropensityModel
) -> None:
    fill(store, days, model)
    command = [sys.executable, "-m", "shopbatch", "run", "score_users"]
    where = {**os.environ, "SHOPBATCH_WAREHOUSE": store.root}

    def run(**more: str) -> int:
        return subprocess.run(command, env={**where, **more}, capture_output=True, timeout=240, check=False).returncode

    assert run(SHOPBATCH_CRASH_AT="day_of_users_written") != 0
    assert not store.exists("user_scores") or not store.snapshot("user_scores").rows
    assert run() == 0 and store.snapshot("user_scores").rows > 100
