"""The whole job as a user runs it: lists of every user, news of some, rules that compute nothing, kills and erasure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shopbatch as sb
from shopbatch.cli.main import main
from shopbatch.tables.user_sequences import PURCHASE
from shopbatch.warehouse.browse import why
from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations import shelf
from tests.jobs.command_line import messages, run_job

pytestmark = pytest.mark.usefixtures("ray_local")

USERS = 60
TWINS = ("u001", "u002")  # two users with one history
Rows = dict[tuple[str, str], dict[str, Any]]


def rows_of(store: Store) -> Rows:
    return {(row["user_id"], row["list"]): row for row in store.snapshot("recommendations").read().to_pylist()}


def items_of(rows: Rows) -> dict[tuple[str, str], list[dict[str, Any]]]:
    return {key: row["items"] for key, row in rows.items()}


def shown(rows: Rows) -> set[str]:
    return {item["product_id"] for row in rows.values() for item in row["items"]}


@pytest.fixture(scope="module")
def published(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, Any]]:
    """A shop after its first run, and that run's report."""
    store = Store(str(tmp_path_factory.mktemp("shelf") / "warehouse"))
    histories = shelf.open_shelf(store, USERS)
    shelf.put_histories(store, histories | {TWINS[1]: histories[TWINS[0]]}, "sequences-2")
    shelf.put_users(store, {user: "US" if user == "u000" else None for user in histories})
    code, report, err = run_job(store, "recommend_products")
    assert code == 0, messages(err)
    return store, report


@pytest.fixture
def shop(published: tuple[Store, dict[str, Any]], tmp_path: Path) -> Iterator[Store]:
    """A copy that a test may change."""
    shutil.copytree(published[0].root, tmp_path / "warehouse")
    yield Store(str(tmp_path / "warehouse"))


def test_every_user_gets_both_lists(published: tuple[Store, dict[str, Any]]) -> None:
    store, report = published
    rows = rows_of(store)
    assert set(rows) == {(f"u{n:03d}", name) for n in range(USERS) for name in ("buy_again", "discover")}
    assert report["rows"]["computed"] == USERS - 1  # of twins one
    assert report["rows"]["published"] == 2 * USERS and report["rows"]["rejected"] == 0
    newest = max(day for row in store.snapshot("user_sequences").read(["days"]).to_pylist() for day in row["days"])
    assert {row["as_of"] for row in rows.values()} == {newest}
    assert rows[TWINS[0], "discover"]["items"] == rows[TWINS[1], "discover"]["items"] != []
    # razors and soap are bought once in this shop: they are found, and not listed again
    assert {i["product_id"] for (_, name), r in rows.items() if name == "buy_again" for i in r["items"]} <= {
        f"p{n:02d}" for n in range(24) if n % 4 < 2
    }
    gates = {gate["name"]: gate["passed"] for gate in report["gates"]}
    assert gates["discover: empty lists"] and gates["buy_again: exposure"]
    assert report["metrics"]["lists"]["buy_again"]["kinds"] == {"repeat": 1.0}
    page = json.loads(next(Path(store.root, "_runs", "recommend_products").glob("*/report.json")).read_text("utf-8"))
    assert "u001" not in json.dumps([page["figures"], page["samples"]]) and "user 1" in json.dumps(page["figures"])


def test_why_explains_both_lists_of_a_user(published: tuple[Store, dict[str, Any]]) -> None:
    answer = why(published[0], "recommendations", "u003")
    assert [row["list"] for row in answer["published"]] == ["buy_again", "discover"] and answer["memo"]
    assert answer["source"][0]["user_id"] == "u003" and published[1]["run_id"] in answer["report"]


def test_lists_for_histories_that_are_given(
    published: tuple[Store, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = published
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    rows = [shelf.sequence("u003", shelf.drawn(USERS)["u003"]), {"user_id": "nothing"}]
    given = [{n: row[n] for n in ("user_id", "products", "days", "actions") if n in row} for row in rows]
    again, empty, discover, _ = sb.score(given, job="recommend_products")
    there = rows_of(store)
    assert empty == {"user_id": "nothing", "rejected": "empty"}
    assert again["items"] == there["u003", "buy_again"]["items"]
    assert discover["items"] == there["u003", "discover"]["items"]


def test_news_of_one_user_and_then_a_product_that_is_gone(shop: Store) -> None:
    before, version = rows_of(shop), shop.snapshot("recommendations").version
    code, report, _ = run_job(shop, "recommend_products")
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "nothing to do", 0)
    assert shop.snapshot("recommendations").version == version

    histories = shelf.drawn(USERS)
    bought = [*histories["u007"], ("p05", 149, PURCHASE)]
    shelf.put_histories(shop, histories | {TWINS[1]: histories[TWINS[0]], "u007": bought}, "sequences-3")
    code, report, _ = run_job(shop, "recommend_products")
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "published", 1)
    after = rows_of(shop)
    differ = {key[0] for key, row in items_of(after).items() if row != before[key]["items"]}
    assert differ == {"u007"} and after["u007", "buy_again"]["run_id"] == report["run_id"]
    assert after["u003", "discover"]["run_id"] != report["run_id"]

    gone = "p05"
    assert gone in shown(after)
    catalogue = [p | ({"availability": "out_of_stock"} if p["product_id"] == gone else {}) for p in shelf.catalogue()]
    catalogue[9]["market"] = "GB"  # where u000 is not
    shelf.put_products(shop, catalogue, "products-2")
    code, report, _ = run_job(shop, "recommend_products", "exclude.products=[p04]", "lists.discover.size=3")
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "published", 0)
    last = rows_of(shop)
    assert {gone, "p04"}.isdisjoint(shown(last)) and {gone, "p04"} <= shown(after)
    in_us = {i["product_id"] for (user, _), row in last.items() if user == "u000" for i in row["items"]}
    assert "p09" not in in_us and "p09" in shown(last)
    assert max(len(row["items"]) for (_, name), row in last.items() if name == "discover") == 3

    version = shop.snapshot("recommendations").version
    code, report, err = run_job(shop, "recommend_products", "exclude.groups={department: [FOOD, CARE]}")
    assert code == 3 and "60 of 60 lists (100.0%) are empty" in messages(err)[-1], err
    assert "discover" in messages(err)[-1] and "lists.discover.most_empty=1" in messages(err)[-1]
    discover = shop.snapshot("recommendations").part({"list": "discover"})
    assert discover.rows == USERS and any(row["items"] for row in discover.read().to_pylist())


def test_a_run_killed_between_the_lists_is_made_up_for(published: tuple[Store, dict[str, Any]], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "warehouse"))
    for name in ("user_sequences", "products", "users", "_models"):
        shutil.copytree(Path(published[0].root, name), Path(store.root, name))
    crash = {"SHOPBATCH_CRASH_AT": "between_commits", "SHOPBATCH_CRASH_COUNT": "2", "SHOPBATCH_WAREHOUSE": store.root}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | crash
    command = [sys.executable, "-m", "shopbatch", "run", "recommend_products", "platform.object_store_mb=256"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 4 and "killed by SIGKILL" in done.stderr, done.stderr[-2000:]
    assert {name for _, name in rows_of(store)} == {"buy_again"}
    code, report, err = run_job(store, "recommend_products")
    assert code == 0, messages(err)
    assert report["rows"]["computed"] == 0
    assert items_of(rows_of(store)) == items_of(rows_of(published[0]))


def test_an_erased_user_leaves_no_list_and_no_candidates(shop: Store, tmp_path: Path) -> None:
    def memo() -> int:
        return shop.snapshot("recommend_products_memo").rows

    before, candidates = rows_of(shop), memo()
    (tmp_path / "users.txt").write_text("u007\nu001\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_WAREHOUSE", shop.root)
        assert main(["erase", "--users", str(tmp_path / "users.txt")]) == 0
    after = rows_of(shop)
    assert set(before) - set(after) == {(user, name) for user in ("u001", "u007") for name in ("buy_again", "discover")}
    assert memo() == candidates - 1  # the twin of u001 keeps what is theirs, too
    code, report, _ = run_job(shop, "recommend_products")
    assert code == 0 and report["rows"]["computed"] == 0 and rows_of(shop).keys() == after.keys()


def test_what_is_missing_is_said_in_one_line(store: Store) -> None:
    code, _, err = run_job(store, "recommend_products")
    assert code == 2 and "shopbatch run build_user_sequences" in messages(err)[-1]
    shelf.put_histories(store, {"u": [("p00", 1, PURCHASE)]})
    shelf.put_products(store, shelf.catalogue())
    code, _, err = run_job(store, "recommend_products")
    assert code == 2 and "shopbatch run train_recommender" in messages(err)[-1] and len(messages(err)) == 1


def test_a_limit_counts_for_all_lists_together(shop: Store) -> None:
    histories = shelf.drawn(USERS)
    news = {user: [*rows, ("p05", 149, PURCHASE)] for user, rows in histories.items()}
    shelf.put_histories(shop, news, "sequences-3")
    code, report, err = run_job(shop, "recommend_products", "limit=7")
    assert (code, report["rows"]["computed"], report["rows"]["kept"]) == (0, 7, 2 * (USERS - 7)), messages(err)
    code, report, _ = run_job(shop, "recommend_products")
    assert (code, report["rows"]["computed"], report["rows"]["kept"]) == (0, USERS - 7, 0)


def test_one_user_and_then_none(store: Store) -> None:
    shelf.open_shelf(store, 1)
    code, report, err = run_job(store, "recommend_products", "lists.buy_again.size=2")
    assert code == 0, messages(err)
    assert report["rows"]["published"] == 2 and set(rows_of(store)) == {("u000", "buy_again"), ("u000", "discover")}
    before = items_of(rows_of(store))
    shelf.put_histories(store, {}, "sequences-2")
    code, report, err = run_job(store, "recommend_products")
    assert code == 3 and "user_sequences has no rows" in messages(err)[-1] and items_of(rows_of(store)) == before
