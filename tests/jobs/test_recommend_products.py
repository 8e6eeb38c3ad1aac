"""The whole job as a user runs it: lists of every user, nothing to do, news of some, and rules that compute nothing."""

from __future__ import annotations

import pytest

from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations import shelf
from tests.jobs.command_line import messages, run_job

pytestmark = pytest.mark.usefixtures("ray_local")


def lists(store: Store) -> dict[tuple[str, str], list[str]]:
    rows = store.snapshot("recommendations").read().to_pylist()
    return {(row["user_id"], row["list"]): [item["product_id"] for item in row["items"]] for row in rows}


def test_lists_of_a_shop(store: Store) -> None:
    histories = shelf.open_shelf(store)
    code, report, err = run_job(store, "recommend_products")
    assert code == 0, messages(err)
    assert report["outcome"] == "published" and report["rows"]["computed"] == len(histories)
    before = lists(store)
    assert set(before) == {(user, name) for user in histories for name in ("buy_again", "discover")}
    code, report, _ = run_job(store, "recommend_products")
    assert code == 0 and report["outcome"] == "nothing to do" and report["rows"]["computed"] == 0
