"""The whole job as a user runs it: a short history is said, a model is chosen and registered, nothing to do, a kill."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shopbatch.models import erasure, registry
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing.users import drawn, put_daily, user_ids
from tests.jobs.command_line import messages, run_job

SMALL = (
    *("days.train=2", "days.held_out=1", "days.correct=2", "boosting.rounds=30", "boosting.rows_in_leaf=20"),
    *("gates.users=50", "gates.either=10", "gates.ece=0.5"),
)


@pytest.mark.usefixtures("ray_local")
def test_a_model_is_chosen_and_registered_once(store: Store) -> None:
    code, _, err = run_job(store, "train_propensity")
    assert code == 2 and "build_user_profiles" in messages(err)[-1]
    put_daily(store, drawn(3, 60, 100, (0.1, 0.3)))
    code, _, err = run_job(store, "train_propensity", *SMALL)
    assert code == 2 and "older transactions" in messages(err)[-1]
    put_daily(store, drawn(3, 40, 240, (0.1, 0.3)))
    code, report, _ = run_job(store, "train_propensity", *SMALL)
    assert code == 3 and "gates.users" in report["message"]
    days = drawn(11, 1500, 260, (0.005, 0.01, 0.03, 0.08), stop=0.2)
    put_daily(store, days)
    code, report, _ = run_job(store, "train_propensity", *SMALL)
    assert code == 0 and report["outcome"] == "published"
    assert set(report["metrics"]["compared"]["bought"]) == {"table", "repeat", "linear", "boosting"}
    live = registry.find_live(f"{store.root}/_models", "propensity")
    assert live is not None and live.digest == report["models"]["propensity"]
    assert live.manifest["rows"] == erasure.keyed(store, erasure.user_names(user_ids(days.users)))
    assert 0.5 < live.manifest["metrics"]["purchase"]["auc"] < 1 and set(live.manifest["metrics"]) >= {"spend", "churn"}
    code, report, _ = run_job(store, "train_propensity", *SMALL)
    assert code == 0 and report["outcome"] == "nothing to do"
    code, report, _ = run_job(store, "train_propensity", *SMALL, "gates.ece=0.6")
    assert code == 0 and report["outcome"] == "published"
    again = registry.find_live(f"{store.root}/_models", "propensity")
    assert again is not None and again.digest == live.digest  # two fits give the same bits
    assert report["metrics"]["live"]["bought"] == {"value": 0.0, "low": 0.0, "high": 0.0}  # its settings, fitted again


@pytest.mark.usefixtures("ray_local")
def test_what_is_surely_worse_than_the_live_model_is_refused(store: Store) -> None:
    put_daily(store, drawn(11, 1500, 260, (0.005, 0.01, 0.03, 0.08), stop=0.2))
    code, report, _ = run_job(store, "train_propensity", *SMALL)
    assert code == 0 and report["metrics"]["live"] == {"how": "there is no live model to compare with"}
    live = registry.find_live(f"{store.root}/_models", "propensity")
    assert live is not None and live.manifest["chosen"]["bought"] != "table"
    code, report, _ = run_job(store, "train_propensity", *SMALL, "kinds=[]")  # the table alone
    assert code == 3 and "gates.worse=0.01" in report["message"]
    assert "before each day" in report["metrics"]["live"]["how"] and report["metrics"]["live"]["bought"]["high"] < -0.01
    assert registry.find_live(f"{store.root}/_models", "propensity") == live
    put_daily(store, drawn(11, 1500, 295, (0.005, 0.01, 0.03, 0.08), stop=0.2))  # a month later: new to the live model
    code, report, _ = run_job(store, "train_propensity", *SMALL, "kinds=[]")
    assert code == 3 and "as it is" in report["metrics"]["live"]["how"]
    code, report, _ = run_job(store, "train_propensity", *SMALL)
    assert code == 0 and report["outcome"] == "published" and report["metrics"]["live"]["bought"]["high"] > -0.01
    code, report, _ = run_job(store, "train_propensity", *SMALL, "kinds=[]", "gates.worse=1")
    assert code == 0 and report["outcome"] == "published"


def test_a_real_kill_before_the_model_is_registered_and_the_same_command(store: Store) -> None:
    put_daily(store, drawn(11, 500, 220, (0.01, 0.03, 0.1), stop=0.1))
    command = [sys.executable, "-m", "shopbatch", "run", "train_propensity", *SMALL, "kinds=[linear]"]
    where = {**os.environ, "SHOPBATCH_WAREHOUSE": store.root}

    def run(**more: str) -> int:
        return subprocess.run(command, env={**where, **more}, capture_output=True, timeout=240, check=False).returncode

    assert run(SHOPBATCH_CRASH_AT="propensity_fitted") != 0
    assert registry.find_live(f"{store.root}/_models", "propensity") is None
    assert run() == 0
    assert registry.find_live(f"{store.root}/_models", "propensity") is not None
