"""`shopbatch load` from the command line: every option reaches the load, and a mistake is one line and exit 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shopbatch.cli import main as cli
from shopbatch.warehouse.store import Store

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    return Store(str(tmp_path / "warehouse"))


def rows(store: Store, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(r[c] for c in columns) for r in store.snapshot(table).read(columns).to_pylist()]


def test_items_behind_one_map_and_repeated_ones(warehouse: Store, tmp_path: Path) -> None:
    path = tmp_path / "r=1.csv"  # a name with an equals sign is still a file
    path.write_text("Nr,Wording,Stars,label\n1,fine,5,what\n")
    words = ["load", "reviews", str(path), "--map", "text=Wording", "review_id=Nr", "--map", "label=", "rating=Stars"]
    assert cli.main(words) == 0
    assert rows(warehouse, "reviews", "review_id", "text", "rating", "label") == [("1", "fine", 5, None)]


def test_proposed_columns_are_told_and_taken(warehouse: Store, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "r.csv"
    path.write_text("review_body,stars,review_date\nfine,4 stars,27.02.2026 17:06\n")
    assert cli.main(["load", "reviews", str(path)]) == 2
    assert '--map text="review_body"' in capsys.readouterr().err
    assert cli.main(["load", "reviews", str(path), "--map", "auto"]) == 0
    [(text, rating, written)] = rows(warehouse, "reviews", "text", "rating", "created_at")
    assert (text, rating, f"{written:%Y-%m-%d %H:%M}") == ("fine", 4, "2026-02-27 17:06")


def test_what_nothing_in_the_file_tells(warehouse: Store, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "orders.txt"
    path.write_bytes("b1|K\xe4se|1.000|3/4/2026\n".encode("latin-1"))
    words = ["load", "transactions", str(path), "--columns", "basket_id,product_id,sales_value,transaction_at"]
    assert cli.main([*words, "--encoding", "latin-1"]) == 2
    assert "--date-format transaction_at=dmy" in capsys.readouterr().err
    said = ["--encoding", "latin-1", "--date-format", "transaction_at=dmy", "--decimal", ","]
    assert cli.main([*words, *said, "--dry-run"]) == 0
    assert not warehouse.exists("transactions") and "nothing was written" in capsys.readouterr().out
    assert cli.main([*words, *said]) == 0
    [(product, money, paid)] = rows(warehouse, "transactions", "product_id", "sales_value", "transaction_at")
    assert (product, str(money), f"{paid:%Y-%m-%d}") == ("Käse", "1000.00", "2026-04-03")


def test_an_export_is_recognised_unless_the_user_says_otherwise(
    warehouse: Store, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "products_export.csv"
    path.write_text(
        "Handle,Title,Vendor,Variant Price,Option1 Name,Option1 Value\n"
        "cup,Cup &amp; Saucer,Acme,12.00,Colour,red\ncup,,,14.00,,blue\n"
    )
    assert cli.main(["load", "products", str(path), "--preset", "csv"]) == 2
    capsys.readouterr()
    assert cli.main(["load", "products", str(path)]) == 0
    assert "read as an export of shopify" in capsys.readouterr().out
    [(product, title, price, attributes)] = rows(warehouse, "products", "product_id", "title", "price", "attributes")
    assert (product, title, str(price), attributes) == ("cup", "Cup & Saucer", "12.000", [("colour", "red, blue")])


def test_more_rows_that_do_not_fit_than_allowed(warehouse: Store, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "r.csv"
    path.write_text("review_id,text\n" + "".join(f"{i},fine\n" for i in range(9)) + ",one\n,two\n,three\n")
    assert cli.main(["load", "reviews", str(path)]) == 2
    err = capsys.readouterr().err
    assert "3 of 12 rows do not fit" in err and "r.csv line 11: review_id" in err and err.count("\n") == 1
    assert not warehouse.exists("reviews") and not warehouse.exists("reviews_load_rejects")
    assert cli.main(["load", "reviews", str(path), "--max-rejects", "0.3"]) == 0
    assert [r[0] for r in rows(warehouse, "reviews_load_rejects", "source_line")] == [11, 12, 13]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reviews"], "expected one file or folder, not none"),
        (["reviews", "a.csv", "b.csv"], "expected one file or folder, not a.csv b.csv"),
        (["reviews", "a.csv", "--map", "text"], "--map 'text': expected COLUMN="),
        (["reviews", "a.csv", "--decimal", ";"], "--decimal ';': expected . or ,"),
        (["reviews", "a.csv", "--encoding", "klingon"], "--encoding 'klingon': no such encoding"),
        (["reviews", "a.csv", "--date-format", "ymd?"], "--date-format 'ymd?': expected dmy"),
        (["reviews", "a.csv", "--columns", "a,,b"], "--columns 'a,,b': expected different names"),
        (["reviews", "a.csv", "--preset", "amazone"], "no file or folder"),
        (["reviews", "--from", "postgresql://h/d"], "--from: add --query"),
        (["reviews", "a.csv", "--from", "postgresql://h/d", "--query", "x"], "expected one file or folder"),
    ],
)
def test_a_mistake_is_one_line(warehouse: Store, capsys: Capture, words: list[str], message: str) -> None:
    assert cli.main(["load", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not warehouse.names()
