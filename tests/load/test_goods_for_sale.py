"""What a shop does not offer is no goods, and what its export says of stock, prices, ids and currency is not lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.load.options import Options
from shopbatch.load.shop_values import without_marks
from shopbatch.warehouse.store import Store
from tests.load.test_exports import rows

SHOPIFY = (
    "Handle,Title,Vendor,Published,Option1 Name,Option1 Value,Variant Inventory Tracker,Variant Inventory Qty,"
    "Variant Inventory Policy,Variant Price,Variant Compare At Price,Image Src,Status\n"
    "mug,Mug,Acme,true,Colour,red,shopify,0,deny,20.00,25.00,a.jpg,active\n"
    "mug,,,,,blue,shopify,3,deny,18.00,,,\n"
    "mug,,,,,,,,,,,b.jpg,\n"
    "pot,Pot,Acme,true,Colour,red,shopify,4,deny,9.00,,,active\n"
    "pot,,,,,blue,shopify,0,deny,9.00,,,\n"
    "gone,Gone,Acme,true,Title,Default Title,shopify,-2,deny,9.00,9.00,,active\n"
    "later,Later,Acme,true,Title,Default Title,shopify,0,continue,9.00,,,active\n"
    "gift,Gift,Acme,true,Title,Default Title,,,deny,9.00,0.00,,active\n"
    "test,TEST,Acme,true,Colour,red,shopify,5,deny,1.00,,,draft\n"
    "test,,,,,blue,shopify,5,deny,1.00,,,\n"
    "old,Old,Acme,true,Title,Default Title,shopify,5,deny,1.00,,,archived\n"
    "b2b,B2B,Acme,FALSE,Title,Default Title,shopify,5,deny,1.00,,,active\n"
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def by_id(store: Store, *columns: str) -> dict[str, tuple[Any, ...]]:
    return {row["product_id"]: tuple(row[name] for name in columns) for row in rows(store, "products")}


def test_drafts_are_left_out_and_stock_and_reduced_prices_are_read(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, "products_export_1.csv", SHOPIFY)
    report = load_file(store, "products", path)
    assert (report.rows_read, report.rows_loaded, report.rows_skipped, report.rows_merged) == (12, 5, 4, 3)
    said = "\n".join(report.lines())
    assert "2 rows left out, because they are not for sale: Status is draft (--unpublished loads them)" in said
    assert "1 rows left out, because they are not for sale: Status is archived" in said
    assert "1 rows left out, because they are not for sale: Published is false" in said
    assert "translations" not in said and not {"Status", "Variant Inventory Qty"} & {*report.ignored}
    assert by_id(store, "price", "sale_price", "availability") == {
        "mug": (Decimal(25), Decimal(20), "in_stock"),  # of the first variant, and the second can be bought
        "pot": (Decimal(9), None, "in_stock"),  # although the last variant cannot
        "gone": (Decimal(9), None, "out_of_stock"),
        "later": (Decimal(9), None, "backorder"),
        "gift": (Decimal(9), None, "in_stock"),  # nobody counts them
    }
    with pytest.raises(UserError, match="with other options"):
        load_file(store, "products", path, Options(unpublished=True))
    load_file(store, "products", path, Options(unpublished=True), "replace")
    assert {"test", "old", "b2b"} <= by_id(store).keys()


def test_a_price_that_was_never_higher_is_not_taken_from_another_variant(store: Store, tmp_path: Path) -> None:
    text = (
        "URL handle,Title,Vendor,Option1 name,Option1 value,Price,Compare-at price,Inventory quantity\n"
        "mug,Mug,Acme,Colour,red,20.00,,0\nmug,,,,blue,15.00,30.00,0\n"
    )
    load_file(store, "products", write(tmp_path, "p.csv", text))
    assert by_id(store, "price", "sale_price", "availability") == {"mug": (Decimal(20), None, "out_of_stock")}


WOOCOMMERCE = (
    "ID,Type,SKU,Name,Published,Visibility in catalog,Description,In stock?,Regular price,Categories,Parent\n"
    "1,variable,TEE,Tee,1,visible,"
    '"<p>Soft.</p>\\n<p>Warm.</p>",1,9.00,"Clothing, Clothing > Shirts, Tees\\, Tops > New",\n'
    '2,simple,MUG,Mug [limited],1,visible,"[vc_row css=""a""][vc_c]Ceramic [new][/vc_c][/vc_row]",1,9.00,Mugs,\n'
    "3,variable,COAT,Coat,-1,visible,Long,1,90.00,Coats,\n"
    "4,variation,COAT-S,Coat S,1,visible,,1,90.00,,COAT\n"
    "5,variation,COAT-M,Coat M,1,visible,,1,90.00,,id:3\n"
    "6,simple,BOX,Box,0,visible,,1,9.00,,\n"
    "7,variation,TEE-S,Tee S,1,visible,,1,9.00,,TEE\n"
)


def test_an_export_of_woocommerce_is_read_without_what_only_wordpress_knows(store: Store, tmp_path: Path) -> None:
    report = load_file(store, "products", write(tmp_path, "wc.csv", WOOCOMMERCE), Options(auto=True))
    assert by_id(store, "title", "description", "category", "product_type") == {
        "1": ("Tee", "Soft.\nWarm.", "Clothing > Shirts", None),
        "2": ("Mug [limited]", "Ceramic [new]", "Mugs", None),
        "7": ("Tee S", None, None, None),
    }
    assert (report.rows_skipped, report.rows_unpublished) == (4, 4)
    assert "2 rows left out, because they are not for sale: Parent is left out" in "\n".join(report.lines())


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('a [gallery ids="1,2"] b', "a b"),
        ("[b]red[/b] [sic] [1] [Größe M]", "red [sic] [1] [Größe M]"),
        ("a\\r\\nb\\nc", "a\nb\nc"),
        ("[embed/] x [et_pb_text]", "x"),
        ("no marks", "no marks"),
    ],
)
def test_a_word_in_brackets_is_no_shortcode(text: str, read: str) -> None:
    import pyarrow as pa

    assert without_marks(pa.array([text, None])).to_pylist() == [read, None]  # type: ignore[union-attr]


def test_other_systems_say_what_is_for_sale_too(store: Store, tmp_path: Path) -> None:
    magento = 'sku,store_view_code,name,product_online,categories\na,,A,1,"Root,Root/Bags"\nb,,B,2,Root\n'
    load_file(store, "products", write(tmp_path, "m.csv", magento))
    assert by_id(store, "category") == {"a": ("Root/Bags",)}
    amazon = "item-name,listing-id,seller-sku,price,status\nX,1,x,9.00,Active\nY,2,y,9.00,Inactive\n"
    load_file(store, "products", write(tmp_path, "a.txt", amazon), mode="replace")
    assert by_id(store, "availability") == {"x": ("in_stock",), "y": ("out_of_stock",)}


ORDERS = (
    "Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Created at,Lineitem quantity,Lineitem price,"
    "Lineitem sku,Lineitem discount\n"
    "#1,a@example.com,paid,USD,58.00,9.00,5.00,72.00,2026-01-01 10:00:00 +0000,2,20.00,S1,2.00\n"
    "#1,,,,,,,,2026-01-01 10:00:00 +0000,1,20.00,S2,0\n"
    "#2,b@example.com,pending,USD,20.00,0,0,20.00,2026-01-02 10:00:00 +0000,1,20.00,S3,0\n"
)


@pytest.mark.parametrize("preset", [None, "csv"])
def test_the_total_of_an_order_is_never_the_amount_of_a_line(store: Store, tmp_path: Path, preset: str | None) -> None:
    """Whether the export is recognised or not: shipping and taxes are no revenue of a line."""
    renames = {} if preset is None else {"basket_id": "Name", "product_id": "Lineitem sku"}
    report = load_file(
        store, "transactions", write(tmp_path, "o.csv", ORDERS), Options(renames, auto=True, preset=preset)
    )
    assert not report.proposed and "Total" in report.ignored
    assert [row["sales_value"] for row in rows(store, "transactions")] == [Decimal(38), Decimal(20), Decimal(20)]
    assert "order_status: 1 rows are cancelled or not paid yet (pending)" in "\n".join(report.lines())


def test_the_amount_of_a_line_is_taken_where_the_file_has_a_total_too(store: Store, tmp_path: Path) -> None:
    text = "order_id,sku,qty,price,Total,Line Total,Discount,Line Discount\n1,a,2,20.00,99.00,35.00,9,5\n"
    load_file(store, "transactions", write(tmp_path, "erp.csv", text), Options(auto=True))
    [row] = rows(store, "transactions")
    assert (row["sales_value"], row["retail_discount"]) == (Decimal(35), Decimal(5))
    text = "order_id,sku,Total\n1,a,35.00\n"
    load_file(store, "transactions", write(tmp_path, "till.csv", text), Options(auto=True), "replace")
    [row] = rows(store, "transactions")
    assert row["sales_value"] == Decimal(35)


def test_an_apostrophe_that_keeps_digits_is_no_part_of_an_id(store: Store, tmp_path: Path) -> None:
    load_file(store, "users", write(tmp_path, "u.csv", "user_id\n'6100000000000\n'0042\n'n Sync\nO'Neil\n"))
    assert [row["user_id"] for row in rows(store, "users")] == ["6100000000000", "0042", "'n Sync", "O'Neil"]


def test_a_currency_can_be_said_and_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    path = write(tmp_path, "p.csv", "product_id,price\na,9.00\nb,€8.00\nc,\n")
    assert cli.main(["load", "products", str(path)]) == 0
    assert "currency: 1 rows have an amount and no currency" in capsys.readouterr().out
    assert cli.main(["load", "products", str(path), "--set", "currency=usd", "--set", "brand=Acme", "--replace"]) == 0
    assert "and no currency" not in capsys.readouterr().out
    store = Store(str(tmp_path / "warehouse"))
    assert by_id(store, "currency", "brand") == {"a": ("USD", "Acme"), "b": ("EUR", "Acme"), "c": ("USD", "Acme")}
    for wrong, message in {
        "currency": "expected COLUMN=VALUE",
        "currency=Taler": "expected an ISO 4217 code",
        "curency=USD": "did you mean 'currency'?",
        "availability=maybe": "does not fit the column (allowed: in_stock",
        "price=cheap": "does not fit the column",
        "product_id=a": "names its rows",
        "tags=a": "holds lists",
    }.items():
        assert cli.main(["load", "products", str(path), "--set", wrong, "--replace"]) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1


def test_ids_that_do_not_join_are_named_whichever_table_comes_last(store: Store, tmp_path: Path) -> None:
    lines = "basket_id,product_id,user_id\n" + "".join(f"{i},SKU-{i},u{i}\n" for i in range(5))
    one, other = write(tmp_path, "t.csv", lines), write(tmp_path, "p.csv", "product_id\nmug\ncup\nSKU-0\n")
    assert not any("are not in" in note for note in load_file(store, "transactions", one).notes)
    [note] = [note for note in load_file(store, "products", other).notes if "are not in" in note]
    assert note.startswith(
        "4 of 5 product ids of transactions are not in products (SKU-1, SKU-2; products has mug, cup)"
    )
    assert "--map product_id=" in note
    both = write(tmp_path, "q.csv", "product_id\n" + "".join(f"SKU-{i}\n" for i in range(3)))
    assert not any("are not in" in note for note in load_file(store, "products", both).notes), "most are"
    users = load_file(store, "users", write(tmp_path, "u.csv", "user_id\na\nb\n")).notes
    assert any("5 of 5 user ids of transactions are not in users" in note for note in users)


def test_a_table_that_cannot_be_read_does_not_spoil_a_load_that_is_done(store: Store, tmp_path: Path) -> None:
    lines = "basket_id,product_id\n" + "".join(f"{i},SKU-{i}\n" for i in range(5))
    load_file(store, "transactions", write(tmp_path, "t.csv", lines))
    [file] = (Path(store.root) / "transactions").rglob("*.parquet")
    file.unlink()
    assert load_file(store, "products", write(tmp_path, "p.csv", "product_id\nmug\n")).rows_loaded == 1


def test_a_load_that_adds_says_that_goods_stay_which_are_gone(store: Store, tmp_path: Path) -> None:
    load_file(store, "products", write(tmp_path, "p.csv", "product_id\nmug\ncup\n"))
    tonight = write(tmp_path, "p.csv", "product_id\nmug\n")
    assert any(
        "what is gone from the export stays (--replace" in n for n in load_file(store, "products", tonight).notes
    )
    assert by_id(store).keys() == {"mug", "cup"}
    assert not any("stays" in n for n in load_file(store, "products", tonight, mode="replace").notes)
    assert by_id(store).keys() == {"mug"}
