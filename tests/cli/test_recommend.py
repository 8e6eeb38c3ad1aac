"""`shopbatch recommend`: the lists of one user with names and reasons, and one line for what is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.cli.main import main
from shopbatch.tables.recommendations import RECOMMENDATIONS
from shopbatch.tables.user_sequences import PURCHASE
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations import shelf

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def item(product: str, **more: Any) -> dict[str, Any]:
    common = {"score": 0.5, "kind": "repeat", "source": "habit", "because": [product], "reason": "bought on 2 days"}
    return {"product_id": product, **common, **more}


def put_lists(store: Store, name: str, lists: Mapping[str, Sequence[dict[str, Any]]], group: int = 2) -> None:
    """Publish one list of some users, a few rows a row group."""
    said = {
        "list": name,
        "top_source": "habit",
        "as_of": date(2026, 1, 1),
        "tokens_in": 1,
        "recipe": "r",
        "run_id": "r",
    }
    rows = [
        {"user_id": user, "items": items, "content_hash": "0" * 32, "scored_at": NOW, **said}
        for user, items in lists.items()
    ]
    root, path, schema = store.uri(RECOMMENDATIONS.name), f"list={name}/r/part.parquet", RECOMMENDATIONS.file_schema()
    files.write(f"{root}/{path}", pa.Table.from_pylist(rows, schema), group)
    file = files.describe(root, path, schema, {"list": name})
    store.commit(RECOMMENDATIONS, [file], "replace", name, {"scope": {"list": name}})


@pytest.fixture
def lists(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "80")
    products = [*shelf.catalogue(), {"product_id": "evil", "title": "Tea \x1b[2J\u202e<b>"}, {"product_id": "bare"}]
    shelf.put_products(store, products)
    bare = item("bare", kind="popular", source="popular", because=[], reason=None)
    long = item("p01", kind="new", reason="goes with what you bought: " + ", ".join(f"Milk {n}" for n in range(12)))
    put_lists(store, "buy_again", {f"u{n}": [item("p00"), item("evil")] for n in range(5)} | {"none": []})
    put_lists(store, "discover", {f"u{n}": [long, bare] for n in range(5)} | {"none": [bare]})
    return store


@pytest.mark.usefixtures("lists")
def test_lists_fit_80_columns_and_control_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "u3"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80 and "\x1b" not in out and "\u202e" not in out
    assert lines[0].startswith("Buy again, as of 2026-01-01") and "Discover, as of 2026-01-01" in lines
    assert lines[2].split() == ["1", "p00", "Milk", "0", "repeat", "0.500", "bought", "on", "2", "days"]
    assert any(line.split()[1:3] == ["bare", "bare"] for line in lines)
    assert "Milk 11" in " ".join(out.split())  # a long reason is wrapped, not cut


@pytest.mark.usefixtures("lists")
def test_one_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "u3", "--list", "discover", "--json"]) == 0
    out = capsys.readouterr().out
    row = json.loads(out)
    assert (row["user_id"], row["list"], row["as_of"]) == ("u3", "discover", "2026-01-01")
    assert [(i["product_id"], i["name"], i["kind"]) for i in row["items"]] == [
        ("p01", "Bread 1", "new"),
        ("bare", "bare", "popular"),
    ]
    assert main(["recommend", "none"]) == 0
    assert "no product" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "no user 'nobody' in recommendations"),
        (["known"], "user 'known' has no lists: nothing was known of what they bought"),
        (["u3", "--list", "novelties"], "no list 'novelties'; there are: buy_again, discover"),
        ([""], "no user '' in recommendations"),
    ],
    ids=["unknown", "without a history", "no such list", "empty"],
)
def test_what_is_not_there(lists: Store, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    shelf.put_users(lists, {"known": None})
    assert main(["recommend", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and said in captured.err and len(captured.err.strip().splitlines()) == 1


def test_without_lists_the_command_that_makes_them_is_named(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    shelf.put_histories(store, {"u3": [("p00", 1, PURCHASE)]})
    assert main(["recommend", "u3"]) == 2
    err = capsys.readouterr().err
    assert "shopbatch run recommend_products" in err and len(err.strip().splitlines()) == 1


def test_of_other_users_only_the_ids_are_read(lists: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read, groups = files.read, []

    def counted(uri: str, schema: pa.Schema, *more: Any) -> pa.Table:
        if "/recommendations/" in uri and "items" in schema.names:
            groups.append((uri, more[-1]))
        return read(uri, schema, *more)

    monkeypatch.setattr(files, "read", counted)
    assert main(["recommend", "u3"]) == 0
    assert len(groups) == 2 and all(group == [1] for _, group in groups)  # of three row groups in each list
