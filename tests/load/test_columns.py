"""How the values of a column are written is decided from all of them, or asked; and what the shop's exports become."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopbatch.core.errors import UserError
from shopbatch.load import encodings, load_file
from shopbatch.load.options import Options, parse_dates
from shopbatch.load.report import LoadReport
from shopbatch.warehouse.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.csv"


def load(
    store: Store, table: str, path: Path, text: str, *columns: str, **options: Any
) -> tuple[list[Any], LoadReport]:
    """The columns of the rows that are loaded, a tuple each (a value each, for one column), and the report."""
    path.write_text(text, encoding="utf-8")
    report = load_file(store, table, path, Options(**options), "replace")
    rows = store.snapshot(table).read().to_pylist()
    return [row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns) for row in rows], report


def lines(*values: str, column: str = "sales_value") -> str:
    return f"basket_id;product_id;{column}\n" + "".join(f"{i};p;{v}\n" for i, v in enumerate(values))


def test_one_number_says_what_marks_the_decimals_of_its_column_and_file(store: Store, path: Path) -> None:
    amounts, report = load(store, "transactions", path, lines("1.000", "12,90", "1.234,56"), "sales_value")
    assert amounts == [Decimal("1000.00"), Decimal("12.90"), Decimal("1234.56")]
    assert "sales_value: a comma marks decimals" in report.notes
    amounts, _ = load(store, "transactions", path, lines("1.000", "12.90", "7"), "sales_value")
    assert amounts == [Decimal("1.00"), Decimal("12.90"), Decimal("7.00")]
    text = "basket_id;product_id;sales_value;retail_discount\n1;p;1.000;0,50\n2;p;9;1,00\n"
    assert load(store, "transactions", path, text, "sales_value", "retail_discount")[0] == [
        (Decimal("1000.00"), Decimal("0.50")), (Decimal("9.00"), Decimal("1.00")),
    ]  # fmt: skip


def test_a_number_that_nothing_explains_is_not_guessed(store: Store, path: Path) -> None:
    text = lines("1.000", "5", "7", "8")
    amounts, report = load(store, "transactions", path, text, "sales_value")
    assert amounts == [None, *(Decimal(f"{n}.00") for n in (5, 7, 8))]
    assert report.reasons == {"sales_value: ambiguous": 1}
    assert any("add --decimal" in note for note in report.notes)
    assert load(store, "transactions", path, text, "sales_value", decimal=",")[0][0] == Decimal("1000.00")
    assert load(store, "transactions", path, text, "sales_value", decimal=".")[0][0] == Decimal("1.00")
    with pytest.raises(UserError, match="--decimal , or --decimal"):
        load(store, "transactions", path, lines("1.000", "2.000", "3.000"), "sales_value")


@pytest.mark.parametrize(
    ("values", "days"),
    [
        (["3/4/2024", "13/4/2024"], [(4, 3), (4, 13)]),
        (["3/4/2024", "4/13/2024"], [(3, 4), (4, 13)]),
        (["3.4.2024", "5.6.2024"], [(4, 3), (6, 5)]),
        (["2/27/2026 17:06", "3/1/2026 9:05"], [(2, 27), (3, 1)]),
        (["03-04-24", "31-12-24"], [(4, 3), (12, 31)]),
    ],
)
def test_one_date_says_the_order_of_day_and_month(
    store: Store, path: Path, values: list[str], days: list[tuple[int, int]]
) -> None:
    moments, _ = load(store, "transactions", path, lines(*values, column="transaction_at"), "transaction_at")
    assert [(m.month, m.day) for m in moments] == days


def test_dates_that_nothing_explains_are_asked_for(store: Store, path: Path) -> None:
    text = lines("3/4/2024", "5/6/2024", column="transaction_at")
    with pytest.raises(
        UserError, match=r"'3/4/2024' begins with the day or the month; add --date-format transaction_at="
    ):
        load(store, "transactions", path, text, "transaction_at")
    for said, month in (("dmy", 4), ("transaction_at=mdy", 3), ("%m/%d/%Y", 3)):
        moments, report = load(store, "transactions", path, text, "transaction_at", dates=parse_dates([said]))
        assert moments[0].month == month
        assert report.notes
    mixed = lines("13/4/2024", "4/13/2024", "3/4/2024", "1/1/2024", column="transaction_at")
    moments, report = load(store, "transactions", path, mixed, "transaction_at")
    assert [m and (m.month, m.day) for m in moments] == [(4, 13), (4, 13), None, (1, 1)]
    assert report.reasons == {"transaction_at: ambiguous": 1}


def test_ids_that_became_floats_are_read_as_what_they_were(store: Store, path: Path) -> None:
    def text(*users: str) -> str:
        return "basket_id,product_id,user_id\n" + "".join(f"{i},p,{u}\n" for i, u in enumerate(users))

    assert load(store, "transactions", path, text("17850.0", "", "13047.0"), "user_id")[0] == ["17850", None, "13047"]
    assert load(store, "transactions", path, text("1.0", "1.5", "2.0"), "user_id")[0] == ["1.0", "1.5", "2.0"]
    kept = ["007", "1e3", "1.785e4"]
    assert load(store, "transactions", path, text(*kept), "user_id")[0] == kept


def test_lines_of_one_product_in_a_basket_all_count(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 64)
    text = "basket_id,product_id,quantity\n" + "b,p,1\nb,q,1\n" * 20 + "b,p,-1\n"
    rows, report = load(store, "transactions", path, text, "product_id", "line_number", "quantity")
    assert rows == [*((p, n, 1) for n in range(1, 21) for p in "pq"), ("p", 21, -1)]
    assert any("39 rows repeat basket_id and product_id" in note for note in report.notes)
    text = "basket_id,product_id,line_number\nb,p,7\nb,p,9\nb,p,9\n"
    rows, report = load(store, "transactions", path, text, "line_number")
    assert (rows, report.duplicate_keys) == ([7, 9, 9], 1)


def test_sales_are_computed_from_prices(store: Store, path: Path) -> None:
    text = "basket_id,product_id,quantity,unit_price,retail_discount\n1,p,3,1.25 USD,0.50\n2,p,-1,2,0.5\n3,p,,2,\n"
    rows, report = load(store, "transactions", path, text, "sales_value", "currency")
    assert rows == [(Decimal("3.25"), "USD"), (Decimal("-1.50"), None), (None, None)]
    assert "sales_value: computed as quantity x unit_price - retail_discount" in report.notes


SHOPIFY = "Handle,Title,Vendor,Type,Option1 Name,Option1 Value,Variant Price,Image Src\n"


def test_rows_of_one_product_are_one_product_wherever_they_stand(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 256)  # the rows of a product are cut by many batches
    variants = [f"h{i},,,,,{size},{i + 1}.50,\n" for size in ("M", "L") for i in range(50)]
    random.Random(0).shuffle(variants)
    first = [f"h{i},Title {i},Acme,Shirts,Size,S,{i}.50,http://x/{i}.png\n" for i in range(50)]
    text = SHOPIFY + "".join([*first, *variants, "h0,,,,,,,http://x/second.png\n"])
    columns = ("product_id", "title", "brand", "price", "image_url")
    rows, report = load(store, "products", path, text, *columns)
    assert sorted(rows) == sorted(
        (f"h{i}", f"Title {i}", "Acme", Decimal(f"{i}.500"), f"http://x/{i}.png") for i in range(50)
    )
    assert (report.system, report.rows_read, report.rows_loaded, report.rows_merged) == ("shopify", 151, 50, 101)


def test_attributes_come_from_options_and_from_the_command(store: Store, path: Path) -> None:
    text = SHOPIFY + "a,Shirt,Acme,,Size,S,5,\na,,,,,M,5,\nb,Mug,Acme,,Title,Default Title,7,\n"
    rows, _ = load(store, "products", path, text, "product_id", "attributes", mapping={"attributes.kind": "Type"})
    assert sorted(rows) == [("a", [("size", "S, M")]), ("b", None)]
    text = "product_id,title,Cut,Cloth\na,Men&#39;s &amp; more,slim,\nb,<b>Bag</b>,,wool &amp; silk\n"
    mapping = {"attributes.fit": "Cut", "attributes.fabric": "Cloth"}
    rows, _ = load(store, "products", path, text, "title", "attributes", mapping=mapping)
    assert rows == [("Men's & more", [("fit", "slim")]), ("Bag", [("fabric", "wool & silk")])]


def test_translations_of_a_product_are_left_out(store: Store, path: Path) -> None:
    text = "sku,store_view_code,name,manufacturer\nA1,,Shirt,Acme\nA1,de,Hemd,\nB1,,Mug,\n"
    rows, report = load(store, "products", path, text, "product_id", "title", "brand")
    assert sorted(rows) == [("A1", "Shirt", "Acme"), ("B1", "Mug", None)]
    assert (report.rows_skipped, report.rows_loaded, report.system) == (1, 2, "magento")


def test_a_folder_of_parts_with_empty_ones(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "spark"
    folder.mkdir()
    for name, text in (("part-0.csv", ""), ("part-1.csv", "review_id,text\n1,x\n"), ("part-2.csv", "review_id,text\n")):
        (folder / name).write_text(text)
    (folder / "_SUCCESS").write_text("")
    assert load_file(store, "reviews", folder).rows_loaded == 1


def test_a_file_without_a_header(store: Store, path: Path) -> None:
    text = "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,cart,1511561733\n"
    with pytest.raises(UserError, match="the first line looks like data: name the columns with --columns a,b,c"):
        load(store, "events", path, text, "user_id")
    names = ("user_id", "product_id", "category", "event_type", "event_time")
    rows, report = load(store, "events", path, text, "user_id", "event_type", "event_time", names=names)
    assert rows == [
        ("1", "view", dt.datetime(2017, 11, 24, 17, 21, 10, tzinfo=dt.UTC)),
        ("1", "cart", dt.datetime(2017, 11, 24, 22, 15, 33, tzinfo=dt.UTC)),
    ]
    assert report.rows_read == 2


def test_an_export_of_reviews_loads_at_the_first_try(store: Store, path: Path) -> None:
    """Three hundred reviews as a shop's app exports them, with every kind of blemish."""
    rows = [f'{i},p{i % 9},"Nice, {i}",{1 + i % 5},2/{1 + i % 28}/2026 17:06\r\n' for i in range(290)]
    rows[20] = "20,p1,half a star more,4.5,2/27/2026 17:06\r\n"
    rows[30] = "30,p1,five,5 stars,2/27/2026 17:06\r\n"
    rows[40] = "40,p1,secret,lots,2/27/2026 17:06\r\n"
    rows[50] = "50,p1,secret,9,soon\r\n"
    rows[60] = '60,p1,"' + "long text 😀\r\n".replace('"', '""') * 10_000 + '",5,2/27/2026 17:06\r\n'
    rows[70] = "70,p1,,5,2/27/2026 17:06\r\n"
    rows[80] = '80,p1,"<p>Soft &amp; <b>warm</b> 😀</p>",5,2/27/2026 17:06\r\n'
    rows += ["3,p1,again,5,2/27/2026 17:06\r\n", "4,p1,again,5,2/27/2026 17:06\r\n", ",p1,secret,5,2/27/2026 17:06\r\n"]
    rows += [f"{i},p1,ok,3,2/27/2026 17:06\r\n" for i in range(293, 300)]
    header = "\ufeffReview ID,Product ID,Text,Rating,Created at\r\n"
    loaded, report = load(store, "reviews", path, header + "".join(rows), "review_id", "rating", "text", "created_at")
    assert (report.rows_read, report.rows_loaded, report.rows_rejected, report.duplicate_keys) == (300, 299, 1, 2)
    by_id = {row[0]: row[1:] for row in loaded}
    moment = dt.datetime(2026, 2, 27, 17, 6, tzinfo=dt.UTC)
    assert (by_id["20"][0], by_id["30"][0], by_id["40"][0], by_id["50"][0::2]) == (5, 5, None, (None, None))
    assert by_id["60"][1:] == ('long "text" 😀\r\n' * 10_000, moment) or len(by_id["60"][1]) > 100_000
    assert by_id["70"] == (5, None, moment)
    assert by_id["80"][1] == "<p>Soft &amp; <b>warm</b> 😀</p>"
    listed = store.snapshot("reviews_load_rejects").read().to_pylist()
    names = ("source_line", "column", "value", "reason", "row_loaded")
    assert sorted(tuple(r[n] for n in names) for r in listed) == [
        (42, "rating", "lots", "not_a_number", True),
        (52, "created_at", "soon", "not_a_timestamp", True),
        (52, "rating", "9", "out_of_range", True),
        (10_294, "review_id", None, "no_key", False),
    ]
    assert "secret" not in str(listed) + "".join(report.lines())


def test_a_name_with_two_meanings_has_the_second_one_beside_a_better_column(store: Store, path: Path) -> None:
    path.write_text(
        "Review ID;Bewertung;Bewertungstext\n" + "".join(f"r{i};{i % 5 + 1},0;Passt {i}\n" for i in range(9))
    )
    load_file(store, "reviews", str(path), Options(auto=True))
    rows = store.snapshot("reviews").read(["text", "rating"]).to_pylist()
    assert rows[0] == {"text": "Passt 0", "rating": 1.0} and len(rows) == 9
    path.write_text("Review ID;Bewertung\n" + "".join(f"s{i};Passt {i}\n" for i in range(9)))
    load_file(store, "reviews", str(path), Options(auto=True))
    assert "Passt 8" in store.snapshot("reviews").read(["text"])["text"].to_pylist()


@pytest.mark.parametrize("cell", ["2,0", "4", "4/5", "★★★"])
def test_numbers_are_no_texts_unless_the_user_says_so(store: Store, path: Path, cell: str) -> None:
    path.write_text("Review ID;Bewertung\n" + "r1;\n" + "".join(f"r{i};{cell}\n" for i in range(2, 9)), "utf-8")
    with pytest.raises(UserError, match=f"'Bewertung' holds numbers .'{cell}'.*--map text="):
        load_file(store, "reviews", str(path), Options(auto=True))
    assert not store.exists("reviews")
    load_file(store, "reviews", str(path), Options(mapping={"text": "Bewertung", "review_id": "Review ID"}))
    assert store.snapshot("reviews").rows == 8
