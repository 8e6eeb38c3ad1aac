"""The whole job as a user runs it: what is missing, a plan, nothing to do, a kill before the commit."""

from __future__ import annotations

import os
import subprocess
import sys

from deltalake import DeltaTable

from shopbatch.warehouse.store import Store
from tests.capabilities.growth.events import put, put_users
from tests.capabilities.growth.test_inviters import crowd
from tests.jobs.command_line import messages, run_job

FEW = "reach.sets=4000"


def test_a_plan_is_made_once(store: Store) -> None:
    code, _, err = run_job(store, "choose_inviters")
    assert code == 2 and "shopbatch load referral_events" in messages(err)[-1]
    put(store, crowd(60))
    put_users(store, {f"u{n:03}": n % 4 != 0 for n in range(60)})
    code, report, _ = run_job(store, "choose_inviters", FEW)
    assert code == 0 and report["outcome"] == "published"
    assert int(report["highlights"]["to ask"]) > 10 and report["metrics"]["method"]["new users expected"] > 0
    plans = {row["plan"] for row in store.snapshot("inviter_plan").read().to_pylist()}
    assert plans == {"2026-01"}
    code, report, _ = run_job(store, "choose_inviters", FEW)
    assert code == 0 and report["outcome"] == "nothing to do"
    before = store.snapshot("inviter_plan").read().sort_by("user_id")
    DeltaTable(store.uri("inviter_plan")).update(updates={"decision": "'ask'"}, predicate="decision = 'left_out'")
    code, report, _ = run_job(store, "choose_inviters", FEW)
    assert code == 0 and "UPDATE" in report["message"]
    assert store.snapshot("inviter_plan").read().sort_by("user_id").equals(before), "nobody is asked without consent"
    code, _, err = run_job(store, "choose_inviters", "as_of=soon")
    assert code == 2 and "as_of" in messages(err)[-1]


def test_a_real_kill_before_the_commit_and_the_same_command(store: Store) -> None:
    put(store, crowd(30))
    put_users(store, {f"u{n:03}": True for n in range(30)})
    command = [sys.executable, "-m", "shopbatch", "run", "choose_inviters", FEW]
    where = {**os.environ, "SHOPBATCH_WAREHOUSE": store.root}

    def run(**more: str) -> int:
        return subprocess.run(command, env={**where, **more}, capture_output=True, timeout=240, check=False).returncode

    assert run(SHOPBATCH_CRASH_AT="inviters_written") != 0
    assert not store.exists("inviter_plan")
    assert run() == 0 and store.snapshot("inviter_plan").rows >= 30
