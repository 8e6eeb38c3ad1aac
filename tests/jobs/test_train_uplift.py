"""train_uplift as a user runs it: what is found is published, also that nothing is; who was learnt from is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shopbatch.capabilities.marketing.uplift.features import FEATURES
from shopbatch.capabilities.marketing.uplift.model import NAME, UpliftModel
from shopbatch.models import erasure, registry
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing import shop
from tests.jobs.command_line import messages, run_job
from tests.jobs.test_embed_products import killed

pytestmark = pytest.mark.slow
QUICK = ("choice.families=[linear]", "choice.draws=150", "choice.folds=3", "min_users=200")


def fill(store: Store, truth: str, users: int = 2_400) -> None:
    tiles, arms = shop.drawn(users, truth)
    shop.put(store, "user_daily", tiles)
    shop.put(store, "experiments", arms)


def live(store: Store) -> UpliftModel:
    model = registry.find_live(f"{store.root}/_models", NAME)
    assert model is not None
    return UpliftModel.load(Path(model.path))


def test_whom_a_message_moves_is_found_and_published_once(store: Store) -> None:
    fill(store, "lapsed")
    assert killed(store, "uplift_fitted", "train_uplift", QUICK)
    assert registry.find_live(f"{store.root}/_models", NAME) is None
    code, report, err = run_job(store, "train_uplift", *QUICK)
    assert (code, report["outcome"]) == (0, "published"), err
    assert report["metrics"]["quality"]["chosen"]["kind"] == "uplift" and "an uplift model finds" in report["message"]
    lapsed, regular = np.zeros((2, len(FEATURES)))[:, None]
    for row, days, baskets in ((lapsed, 110, 0), (regular, 7, 3)):
        row[0, FEATURES.index("days_since_last")] = np.log1p(days)
        row[0, FEATURES.index("days_since_first")] = np.log1p(days + 20)
        row[0, FEATURES.index("baskets_28")] = row[0, FEATURES.index("baskets_90")] = np.log1p(baskets)
        row[0, FEATURES.index("baskets_365")] = np.log1p(3)
        row[0, FEATURES.index("sales_365")] = np.log1p(60)
        row[0, FEATURES.index("basket_mean")] = np.log1p(20)
        row[0, FEATURES.index("sales_28")] = row[0, FEATURES.index("sales_90")] = np.log1p(20 * baskets)
    model = live(store)
    assert model.predict(lapsed)[0] > model.predict(regular)[0] + 0.1  # 0.25 and 0 are true
    assert (model.outcome, model.window, model.arm) == ("bought", 28, "email")
    assert erasure.models_of(store, erasure.user_names(["u000001"]))[0] and not erasure.models_of(store, ["x"])[0]
    page = (Path(store.root) / "_runs" / "train_uplift" / report["run_id"] / "report.html").read_text("utf-8")
    assert "Qini of each learner" in page and "What each order would have brought" in page and "u000001" not in page
    code, report, _ = run_job(store, "train_uplift", *QUICK)
    assert (code, report["outcome"]) == (0, "nothing to do")


def test_no_better_than_response_and_no_effect_are_results(store: Store) -> None:
    fill(store, "regulars")
    code, report, err = run_job(store, "train_uplift", *QUICK)
    assert code == 0 and report["metrics"]["quality"]["chosen"]["kind"] == "response", err
    assert "no uplift model is better than the response model" in report["message"]
    assert live(store).slope > 0
    fill(store, "nobody")
    code, report, _ = run_job(store, "train_uplift", *QUICK)
    assert code == 0 and report["metrics"]["quality"]["chosen"] == {"kind": "none", "learner": ""}
    assert "no effect that targeting could use" in report["message"] and live(store).scorer is None
    code, _, err = run_job(store, "plan_campaigns", "campaigns=[{name: a, channel: email, cost: 0, budget: 1}]")
    assert code == 2 and "users" in messages(err)[-1]


def test_several_arms_and_too_few_users_are_said(store: Store) -> None:
    tiles, arms = shop.drawn(900, "lapsed")
    for place, row in enumerate(arms):
        row["probability"] = 0.5 if row["arm"] == "control" else 0.25
        row["arm"] = row["arm"] if row["arm"] == "control" else ("email", "sms")[place % 2]
    shop.put(store, "user_daily", tiles)
    shop.put(store, "experiments", arms)
    code, _, err = run_job(store, "train_uplift", *QUICK)
    assert code == 2 and "several arms (email, sms)" in messages(err)[-1]
    code, _, err = run_job(store, "train_uplift", *QUICK, "arm=post")
    assert code == 2 and "email, sms" in messages(err)[-1]
    code, _, err = run_job(store, "train_uplift", "arm=sms", "min_users=500")
    assert code == 3 and "min_users=500" in messages(err)[-1]
