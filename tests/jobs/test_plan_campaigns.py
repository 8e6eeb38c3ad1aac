"""plan_campaigns as a user runs it: one day at a time, within budget, consent and caps; a CSV for an e-mail tool."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from shopbatch.capabilities.marketing.uplift.model import NAME, UpliftModel
from shopbatch.cli import main as cli
from shopbatch.evaluation.classification import Interval
from shopbatch.models import registry
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing import shop
from tests.jobs.command_line import messages, run_job
from tests.jobs.test_embed_products import killed

pytestmark = pytest.mark.slow
MARKETS = ("US", "CN", None, "DE")
MAIL = "{name: mail, channel: email, cost: 0.01, budget: 4, holdout: 0.2, hours: [9, 18]}"
TEXT = "{name: text, channel: sms, cost: 0.05, budget: 100, hours: [6, 23]}"
BOTH = (f"campaigns=[{MAIL}, {TEXT}]", "caps=[{messages: 1, days: 7}]")


PROVEN = Interval(0.1, 0.05, 0.15)


def fill(store: Store, effect: Interval = PROVEN) -> None:
    tiles, _ = shop.drawn(2_000, "lapsed")
    shop.put(store, "user_daily", tiles)
    shop.put(
        store,
        "users",
        [
            {
                "user_id": user if n else "=cmd|'/c calc'!A1",
                "email_consent": (True, True, None, False)[n % 4] if n else True,
                "sms_consent": n % 3 == 0,
                "market": MARKETS[n // 4 % 4],
                "time_zone": "Pacific/Auckland" if n % 50 == 0 else None,
            }
            for n, user in enumerate(shop.people(2_000))
        ],
    )
    model = UpliftModel("none", "bought", 28, "email", None, 0.0, 0.0, effect)
    registry.publish(f"{store.root}/_models", NAME, model.save)


def plan(store: Store) -> pl.DataFrame:
    return pl.read_delta(store.uri("campaign_plan"))


def test_a_day_is_planned_once_within_every_limit(store: Store, tmp_path: Path) -> None:
    fill(store)
    (tmp_path / "never.txt").write_text("u000005\n\nu000012\nu000024\n")
    never = f"exclude=[{tmp_path}/never.txt]"
    assert killed(store, "plan_written", "plan_campaigns", (*BOTH, never))
    assert store.find("campaign_plan") is None
    code, report, err = run_job(store, "plan_campaigns", *BOTH, never)
    assert (code, report["outcome"]) == (0, "published"), err
    assert "nothing has been sent" in report["message"]
    rows, users = plan(store), pl.read_delta(store.uri("users"))
    day = shop.LAST + timedelta(days=1)
    assert set(rows["day"]) == {day.isoformat()} or set(rows["day"]) == {day}
    mail, text = (rows.filter(pl.col("campaign_id") == f"{name}-{day}") for name in ("mail", "text"))
    sent = mail.filter(pl.col("send"))
    assert len(sent) == 400 and len(mail) == 500 and sent["cost"].sum() == 4
    assert set(mail.filter(~pl.col("send"))["arm"]) == {"control"}
    assert mail.filter(~pl.col("send"))["probability"].to_list() == pytest.approx([0.2] * 100)
    agreed = {c: set(users.filter(pl.col(f"{c}_consent"))["user_id"]) for c in ("email", "sms")}
    assert set(mail["user_id"]) <= agreed["email"] and set(text["user_id"]) <= agreed["sms"]
    assert not {"u000005", "u000012", "u000024"} & set(rows["user_id"])
    assert max(Counter(rows.filter(pl.col("send"))["user_id"].to_list()).values()) == 1
    assert set(mail.filter(~pl.col("send"))["user_id"]) & set(text["user_id"])  # the held out may get the other one
    known = users.filter(pl.col("market").is_not_null() | pl.col("time_zone").is_not_null())
    assert set(text["user_id"]) <= set(known["user_id"])  # no text where the hour is not known
    zone = users.filter(pl.col("market") == "CN", pl.col("time_zone").is_null())["user_id"]
    spans = text.filter(pl.col("user_id").is_in(zone.implode())).select("send_from", "send_until").unique()
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert spans.rows() == [(at, at + timedelta(hours=12))]  # 8 to 20 in Shanghai
    metrics = report["metrics"]["plan"][f"mail-{day}"]
    assert (metrics["messages"], metrics["held out"], metrics["cost"]) == (400, 100, 4)
    assert metrics["gain at worst"] < metrics["expected gain"] and metrics["left out"]["budget"] > 0
    page = (Path(store.root) / "_runs" / "plan_campaigns" / report["run_id"] / "report.html").read_text("utf-8")
    assert "Who is left out, and why" in page and "u0000" not in page
    code, report, _ = run_job(store, "plan_campaigns", *BOTH, never)
    assert (code, report["outcome"]) == (0, "nothing to do")

    whole = users.to_dicts()
    for left in (whole[:900], []):  # a load of users that went wrong plans no campaign for those who are left
        shop.put(store, "users", left)
        code, _, err = run_job(store, "plan_campaigns", *BOTH, never)
        assert code == 3 and "gate 'rows of users': users has" in err and plan(store).equals(rows), err


def test_caps_count_other_days_and_what_was_sent_and_a_day_is_replaced_alone(store: Store) -> None:
    fill(store)
    day = shop.LAST + timedelta(days=1)
    assert run_job(store, "plan_campaigns", *BOTH)[0] == 0
    first = plan(store)
    got = set(first.filter(pl.col("send"))["user_id"])
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    loaded = [f"u{n:06d}" for n in range(0, 2_000, 4) if f"u{n:06d}" not in got][:50]
    reported = sorted(got)[:30]
    shop.put(store, "campaigns", [
        *({"campaign_id": "old", "user_id": user, "starts_at": at} for user in loaded),
        *({"campaign_id": f"mail-{day}", "user_id": user, "starts_at": at} for user in reported),
        *({"campaign_id": "older", "user_id": f"u{n:06d}", "starts_at": at - timedelta(days=30)} for n in range(2_000)),
    ])  # fmt: skip
    later = day + timedelta(days=3)
    code, _, err = run_job(store, "plan_campaigns", *BOTH, f"day={later}")
    assert code == 0, err
    rows = plan(store).with_columns(pl.col("day").cast(pl.String))
    second = rows.filter(pl.col("day") == str(later))
    assert len(second) > 0 and not set(second["user_id"]) & (got | set(loaded))
    assert rows.filter(pl.col("day") == str(day)).height == first.height
    code, _, err = run_job(store, "plan_campaigns", f"campaigns=[{MAIL}]", BOTH[1], f"day={later}")
    assert code == 0, err
    table = "exclude=[table:campaigns]"  # everybody has got something
    code, report, err = run_job(store, "plan_campaigns", *BOTH, f"day={later}", table)
    assert code == 0 and report["rows"]["published"] <= 1, err  # but for the user whose name is a formula
    code, _, err = run_job(store, "plan_campaigns", f"campaigns=[{MAIL}]", BOTH[1], f"day={later}")
    assert code == 0, err
    rows = plan(store).with_columns(pl.col("day").cast(pl.String))
    assert set(rows.filter(pl.col("day") == str(later))["campaign_id"]) == {f"mail-{later}"}
    assert rows.filter(pl.col("day") == str(day)).height == first.height
    assert run_job(store, "plan_campaigns", *BOTH, f"day={day + timedelta(days=20)}")[0] == 0  # after the cap's days
    far = plan(store).with_columns(pl.col("day").cast(pl.String)).filter(pl.col("day") > str(later))
    assert far.filter(pl.col("send")).height > 400


def test_a_coupon_costs_most_with_those_who_would_buy_anyway(store: Store) -> None:
    fill(store)
    day = shop.LAST + timedelta(days=1)
    sure = set(shop.people(2_000)[1::4])
    chances = {user: 0.95 if user in sure else 0.02 for user in shop.people(2_000)}
    offer = f"campaigns=[{MAIL.replace('budget: 4', 'budget: 100, coupon: 1')}]"
    assert run_job(store, "plan_campaigns", offer)[0] == 0  # without scores everybody is as likely to buy
    assert sure & set(plan(store)["user_id"])
    shop.put_scores(store, dict.fromkeys(chances, 0.0), day - timedelta(days=9))
    shop.put_scores(store, chances, day - timedelta(days=1))
    shop.put_scores(store, dict.fromkeys(chances, 1.0), day + timedelta(days=1))  # not known yet
    code, report, err = run_job(store, "plan_campaigns", offer)
    assert code == 0 and "every buyer is expected to redeem" in report["metrics"]["coupons"], err
    assert len(plan(store)) > 300 and not sure & set(plan(store)["user_id"])
    got = sorted(sure)[:200]
    shop.put(store, "campaigns", [{"campaign_id": "old", "user_id": user} for user in got])
    at = datetime(2026, 1, 5, tzinfo=UTC)
    used = [
        {"campaign_id": "old", "user_id": user, "coupon_id": c, "redeemed_at": at} for user in got[:57] for c in "ab"
    ]
    shop.put(store, "redemptions", used)
    code, report, err = run_job(store, "plan_campaigns", offer)
    assert code == 0 and "30.0% of the buyers redeem" in report["metrics"]["coupons"], (
        err
    )  # 57 of 190 that were expected
    rows = plan(store).filter(pl.col("user_id").is_in(sorted(sure)))
    assert len(rows) > 300
    gain = rows["uplift"] * rows["value"] - rows["cost"].cast(pl.Float64) - 0.3 * 1.0
    assert rows["gain"].to_list() == pytest.approx(gain.to_list())
    assert run_job(store, "plan_campaigns", offer)[1]["outcome"] == "nothing to do"


def test_the_plan_leaves_as_csv_without_formulas(store: Store, tmp_path: Path) -> None:
    fill(store)
    assert run_job(store, "plan_campaigns", f"campaigns=[{MAIL.replace('budget: 4', 'budget: 100')}]")[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_WAREHOUSE", store.root)
        out = str(tmp_path / "plan.csv")
        assert cli.main(["show", "campaign_plan", "--format", "csv", "--output", out, "-n", "5000"]) == 0
    with Path(out).open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == len(plan(store)) and not any(row["user_id"].startswith("=") for row in cells)
    assert any(row["user_id"].startswith("'=cmd") for row in cells)


def test_what_is_missing_or_unproven_is_said(store: Store, tmp_path: Path) -> None:
    fill(store, Interval(0.1, -0.05, 0.25))
    code, _, err = run_job(store, "plan_campaigns")
    assert code == 2 and "no campaign is declared" in messages(err)[-1]
    code, _, err = run_job(store, "plan_campaigns", *BOTH)
    assert code == 3 and "no effect of a message is proven" in messages(err)[-1]
    code, report, _ = run_job(store, "plan_campaigns", *BOTH, "gates.unproven=true")
    assert code == 0 and "no effect of a message is proven" in report["message"]
    assert "at worst" in report["message"]
    for setting, what in (
        ("exclude=[/no/such/file]", "/no/such/file cannot be read"),
        ("exclude=[table:nothing]", "nothing"),
        ("exclude=[table:products]", "products"),
        ("timezone=Mars", "no time zone 'Mars'"),
        (f"campaigns=[{MAIL}, {MAIL}]", "mail is declared twice"),
        ("day=soon", "day"),
    ):
        code, _, err = run_job(store, "plan_campaigns", *BOTH, setting)
        assert code == 2 and what in messages(err)[-1], err
