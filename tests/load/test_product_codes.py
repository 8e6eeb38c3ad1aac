"""Orders that name products by SKU or barcode join the products: whole loads of both files, in either order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.erasure.erase import erase
from shopbatch.load import load_file, product_codes
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store
from tests.load.test_exports import rows
from tests.load.test_goods_for_sale import by_id, write

PRODUCTS = (
    "Handle,Title,Vendor,Variant SKU,Variant Barcode,Variant Price,Option1 Name,Option1 Value,Image Src\n"
    "shirt,Shirt,Acme,SH-S,'0400000000018,29.90,Size,S,a.jpg\n"
    "mug,Mug,Acme,00123,,9.00,Title,Default Title,\n"
    "shirt,,,SH-M,,29.90,,M,\n"
    "shirt,,,,,,,,b.jpg\n"
    "7,Seven,Acme, SE-7 ,,9.00,Title,Default Title,\n"
    "eight,Eight,Acme,7,,9.00,Title,Default Title,\n"
    "jug,Jug,Acme,TWO,,9.00,Title,Default Title,\n"
    "pot,Pot,Acme,TWO,,9.00,Title,Default Title,\n"
    "pan,Pan,Acme,,,9.00,Title,Default Title,\n"
)
ORDERS = (
    "Name,Email,Financial Status,Currency,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku\n"
    "#1,a@example.org,paid,EUR,2024-03-01 10:00:00 +0100,1,Shirt - S,29.90,SH-S\n"
    "#1,,,,,2,Shirt - M,29.90,SH-M\n"
    "#1,,,,,1,Shirt - S,29.90,0400000000018\n"
    "#2,b@example.org,paid,EUR,2024-03-02 10:00:00 +0100,1,Mug,9.00,00123\n"
    "#2,,,,,1,Mug?,9.00,123\n"
    "#2,,,,,1,Seven,9.00,7\n"
    "#2,,,,,1,Jug or pot,9.00,TWO\n"
    "#2,,,,,1,Shirt?,29.90,sh-s\n"
    "#2,,,,,1,Pan,9.00,\n"
    "#2,,,,,1,Gone,9.00,GONE\n"
)
JOINED = ["shirt", "shirt", "shirt", "mug", "123", "7", "TWO", "sh-s", "GONE"]
STATED = ["SH-S", "SH-M", "0400000000018", "00123", "123", "7", "TWO", "sh-s", "GONE"]


def files(folder: Path) -> tuple[Path, Path]:
    return write(folder, "products_export.csv", PRODUCTS), write(folder, "orders_export.csv", ORDERS)


def loaded(store: Store, folder: Path) -> tuple[Path, Path]:
    """Both files, loaded into a shop: first the products."""
    catalogue, orders = files(folder)
    load_file(store, "products", catalogue)
    load_file(store, "transactions", orders)
    return catalogue, orders


def lose(store: Store, table: str) -> None:
    """Remove the only data file of a table."""
    [file] = (Path(store.root) / table).rglob("*.parquet")
    file.unlink()


def column(store: Store, table: str, name: str) -> list[Any]:
    return [row[name] for row in rows(store, table)]


def about_codes(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if "code" in note]


def keys(store: Store) -> Counter[tuple[Any, ...]]:
    return Counter((r["basket_id"], r["product_id"], r["line_number"]) for r in rows(store, "transactions"))


def test_the_two_exports_of_a_shop_join(store: Store, tmp_path: Path) -> None:
    catalogue, orders = files(tmp_path)
    report = load_file(store, "products", catalogue)
    assert by_id(store, "codes")["shirt"] == (["SH-S", "0400000000018", "SH-M"],)
    assert by_id(store, "codes")["pan"] == (None,)
    assert by_id(store, "codes")["7"] == (["SE-7"],)
    assert "codes: Variant SKU, Variant Barcode (orders may name" in "".join(report.lines())
    report = load_file(store, "transactions", orders)
    assert (report.rows_loaded, report.rows_rejected) == (9, 1), "a line without a SKU names no product"
    assert (report.products_translated, report.products_ambiguous) == (4, 1)
    assert report.to_dict()["products_translated"] == 4
    assert about_codes(report.notes) == [
        "product_id: 4 rows name a product by one of its codes and were given its id (SH-S is shirt)",
        "product_id: 1 rows name a product by a code that several products have, and stay as they are (TWO)",
    ]
    assert column(store, "transactions", "product_id") == JOINED
    assert column(store, "transactions", "stated_product") == [*STATED[:4], *[None] * 5]
    assert column(store, "transactions", "line_number")[:4] == [1, 2, 3, 1], "two variants are two lines"
    report = load_file(store, "order_lines", orders)
    assert (report.rows_loaded, report.products_translated, report.products_ambiguous) == (10, 4, 1)
    assert column(store, "order_lines", "product_id") == [*JOINED[:8], None, "GONE"]
    assert column(store, "order_lines", "line_number") == [1, 2, 3, 1, 2, 3, 4, 5, 6, 7]


def test_nothing_else_of_a_product_changes_and_its_codes_can_be_left_out(tmp_path: Path) -> None:
    catalogue, orders = files(tmp_path)
    tables = {}
    for name, options in (("with", Options()), ("without", Options({"codes": ""}))):
        store = Store(str(tmp_path / name))
        load_file(store, "products", catalogue, options)
        tables[name] = [{k: v for k, v in row.items() if k != "codes"} for row in rows(store, "products")]
    assert tables["with"] == tables["without"]
    assert not any(column(store, "products", "codes"))
    assert load_file(store, "transactions", orders).products_translated == 1, "by `gtin`, which is the product's own"
    assert column(store, "transactions", "product_id") == [*STATED[:2], "shirt", *STATED[3:]]


def test_orders_that_were_loaded_first_are_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    store = Store(str(tmp_path / "warehouse"))
    catalogue, orders = map(str, files(tmp_path))

    def load(*words: str) -> str:
        assert cli.main(["load", *words]) == 0
        return capsys.readouterr().out

    again = "transactions names products by 4 codes (SH-S is shirt): load its files anew, the first one with --replace"
    assert "code" not in load("transactions", orders)
    assert column(store, "transactions", "product_id") == STATED
    assert again in load("products", catalogue)
    assert load("products", catalogue).count("loaded before, nothing done") == 1
    version = store.snapshot("transactions").version
    said = load("transactions", orders)
    assert again in said and "loaded before, nothing done" in said
    said = load("transactions", orders, "--replace", "--dry-run")
    assert "4 rows name a product by one of its codes" in said and "nothing was written" in said
    assert store.snapshot("transactions").version == version
    said = load("transactions", orders, "--replace")
    assert "4 rows name a product by one of its codes" in said and "load its files anew" not in said
    assert column(store, "transactions", "product_id") == JOINED
    version = store.snapshot("transactions").version
    for words in ((), ("--replace",)):
        assert "loaded before, nothing done" in load("transactions", orders, *words)
    write(tmp_path, "products_export.csv", PRODUCTS.replace("Acme", "Brand"))
    load("products", catalogue, "--replace")
    assert "loaded before, nothing done" in load("transactions", orders, "--replace"), "the codes are the same"
    assert store.snapshot("transactions").version == version
    write(tmp_path, "products_export.csv", PRODUCTS.replace("pot,Pot,Acme,TWO", "pot,Pot,Acme,ONE"))
    load("products", catalogue, "--replace")
    load("transactions", orders, "--replace")
    assert column(store, "transactions", "product_id")[6] == "jug"
    load("products", str(write(tmp_path, "other.csv", "product_id\nx\n")), "--replace")
    load("transactions", orders, "--replace")
    assert column(store, "transactions", "product_id") == STATED, "there are no codes any more"
    assert len(rows(store, "transactions_load_rejects")) == 1


@pytest.mark.parametrize("first", ["orders", "products"])
def test_a_line_that_is_exported_again_is_no_second_line(store: Store, tmp_path: Path, first: str) -> None:
    """Exports overlap, and the key of a line names its product: so it keeps the one under which it stands there."""
    catalogue, orders = files(tmp_path)
    if first == "products":
        load_file(store, "products", catalogue)
    load_file(store, "transactions", orders)
    before = keys(store)
    if first == "products":  # the variant M is sold no longer, and S is another product's now
        less = (
            PRODUCTS.replace("shirt,,,SH-M,", "shirt,,,,").replace("SH-S", "").replace("pan,Pan,Acme,", "pan,P,A,SH-S")
        )
        load_file(store, "products", write(tmp_path, "less.csv", less), mode="replace")
    else:
        load_file(store, "products", catalogue)
    more = "#9,c@example.org,paid,EUR,2024-04-01,1,Mug,9.00,00123\n#9,,,,,1,S,9.00,SH-S\n#9,,,,,1,M,9.00,SH-M\n"
    report = load_file(store, "transactions", write(tmp_path, "newer.csv", ORDERS + more))
    new = [("#9", "mug", 1), ("#9", "pan", 1), ("#9", "SH-M", 1)]
    new = new if first == "products" else [("#9", "mug", 1), ("#9", "shirt", 1), ("#9", "shirt", 2)]
    assert keys(store) == Counter({**{key: 2 for key in before}, **{key: 1 for key in new}})
    kept = [note for note in report.notes if "keep it" in note]
    assert kept == (
        []
        if first == "products"
        else ["product_id: 4 rows stand in the table already, under a code of their product, and keep it"]
    )


def test_lines_that_cannot_be_read_are_not_added_to(store: Store, tmp_path: Path) -> None:
    loaded(store, tmp_path)
    lose(store, "transactions")
    newer = write(tmp_path, "newer.csv", ORDERS.replace("#1", "#9"))
    with pytest.raises(UserError, match=r"table 'transactions' cannot be read .*; --replace loads it anew"):
        load_file(store, "transactions", newer)
    assert load_file(store, "transactions", newer, mode="replace").products_translated == 4


def test_products_that_cannot_be_read_are_no_reason_for_other_ids(store: Store, tmp_path: Path) -> None:
    _, orders = loaded(store, tmp_path)
    lose(store, "products")
    for mode in ("append", "replace"):
        with pytest.raises(UserError, match="products, whose codes the rows may name, cannot be read"):
            load_file(store, "transactions", orders, mode=mode)
    assert column(store, "transactions", "product_id") == JOINED


def test_erased_persons_do_not_come_back_because_a_code_has_changed(store: Store, tmp_path: Path) -> None:
    catalogue, orders = loaded(store, tmp_path)
    erase(store, {"a@example.org"}, set(), {}, False)
    left = column(store, "transactions", "user_id")
    assert set(left) == {"b@example.org"}
    write(tmp_path, "products_export.csv", PRODUCTS.replace("pot,Pot,Acme,TWO", "pot,Pot,Acme,ONE"))
    load_file(store, "products", catalogue, mode="replace")
    assert load_file(store, "transactions", orders, mode="replace").already
    assert column(store, "transactions", "user_id") == left


def test_of_several_rows_of_a_product_all_codes_count(store: Store, tmp_path: Path) -> None:
    """An append keeps what a variant was called that is gone from the newer export; a replace does not."""
    catalogue, orders = files(tmp_path)
    load_file(store, "products", catalogue)
    newer = write(tmp_path, "newer.csv", PRODUCTS.replace("SH-M", "SH-L").replace("pan,Pan,Acme,", "pan,Pan,Acme,GONE"))
    load_file(store, "products", newer)
    assert load_file(store, "transactions", orders, dry_run=True).products_translated == 5
    load_file(store, "products", newer, mode="replace")
    assert load_file(store, "transactions", orders, dry_run=True).products_translated == 4


@pytest.mark.parametrize(
    ("header", "options", "codes"),
    [
        ("product_id,title,SKU,EAN", Options(), ["A-1", "0012", "A-2"]),
        ("product_id,title,SKU,EAN", Options({"codes": "SKU"}), ["A-1", "A-2"]),
        ("product_id,title,codes,EAN", Options(), ["A-1", "A-2"]),
        ("product_id,title,item_no,size", Options(), None),
    ],
)
def test_a_file_of_no_system(store: Store, tmp_path: Path, header: str, options: Options, codes: list[str]) -> None:
    path = write(tmp_path, "p.csv", f"{header}\na,Alpha,A-1,'0012\na,,A-2,\nb,Beta,,\n")
    load_file(store, "products", path, options)
    assert by_id(store, "codes") == {"a": (codes,), "b": (None,)}
    lines = write(tmp_path, "t.csv", "basket_id,product_id\n1,A-2\n2,b\n3,A-1\n")
    load_file(store, "transactions", lines)
    assert column(store, "transactions", "product_id") == (["a", "b", "a"] if codes else ["A-2", "b", "A-1"])


def test_a_code_is_none_that_is_the_id_itself_or_stands_there_twice(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "handle,sku,barcode,ean\na,17.0,17,17.0\nb,18.0,,\n")
    load_file(store, "products", path, Options({"product_id": "handle"}))
    assert by_id(store, "codes") == {"a": (["17"],), "b": (["18"],)}
    load_file(store, "products", path, Options({"product_id": "sku"}), mode="replace")
    assert by_id(store, "codes") == {"17": (None,), "18": (None,)}


def test_codes_that_are_numbers_lists_or_nested(store: Store, tmp_path: Path) -> None:
    table = pa.table(
        {
            "product_id": ["a", "b", "c"],
            "sku": pa.array([17.0, None, 18.0]),
            "barcode": pa.array([400, None, 17], pa.int64()),
            "ean": pa.array([["x"], None, ["y"]]),
        }
    )
    pq.write_table(table, tmp_path / "p.parquet")
    load_file(store, "products", tmp_path / "p.parquet")
    assert by_id(store, "codes") == {"a": (["17", "400"],), "b": (None,), "c": (["18", "17"],)}
    lines = [{"basket_id": "1", "product_id": 400}, {"basket_id": "2", "product_id": 17}]
    report = load_file(store, "transactions", write(tmp_path, "t.jsonl", "\n".join(map(json.dumps, lines))))
    assert column(store, "transactions", "product_id") == ["a", "17"]
    assert (report.products_translated, report.products_ambiguous) == (1, 1)


@pytest.mark.parametrize(
    ("products", "options", "orders"),
    [
        (  # variations are products of their own, known by ID; the plugin for orders writes the SKU
            "ID,Type,SKU,Name,Published,Visibility in catalog,Regular price,Parent\n10,variable,VN,Neck,1,visible,,\n"
            "11,variation,VN-R,Neck - Red,1,visible,20,VN\n12,variation,,Neck - Blue,1,visible,20,id:10\n",
            Options(),
            {"VN-R": "11", "VN": "10", "12": "12", "13": "13"},
        ),
        (  # the catalogue without the variants, which are not visible
            "sku,store_view_code,name,configurable_variations\n"
            'MH01,,Hoodie,"sku=MH01-XS,size=XS,vendor_sku=V1|sku=MH01-S ,size=S"\nMH01,de,Kapuze,\nMB,,Bag,\n',
            Options(),
            {"MH01-S": "MH01", "MH01-XS": "MH01", "MB": "MB", "XS": "XS", "V1": "V1"},
        ),
        (
            'sku,store_view_code,name,configurable_variations\nMH01,,Hoodie,"sku=MH01-XS,size=XS|sku=MH01-S,size=S"\n',
            Options({"codes": ""}),
            {"MH01-S": "MH01-S", "MH01": "MH01"},
        ),
        (  # each variant is a product, unless the user makes one of all
            "id,title,link,image_link,gtin,item_group_id\nv1,T,l,i,400,g\nv2,T,l,i,401,g\n",
            Options(),
            {"v1": "v1", "g": "g", "401": "v2"},
        ),
        (
            "id,title,link,image_link,gtin,item_group_id\nv1,T,l,i,400,g\nv2,T,l,i,401,g\nh,H,l,i,,h\n",
            Options({"product_id": "item_group_id"}),
            {"v1": "g", "v2": "g", "g": "g", "401": "g", "h": "h"},
        ),
        (  # two offers of one article
            "item-name,listing-id,seller-sku,asin1,product-id\nLamp,1,L-1,B01,B01\nLamp,2,L-2,B01,B01\nCup,3,C-1,B02,4006\n",
            Options(),
            {"B01": "B01", "B02": "C-1", "4006": "C-1", "L-2": "L-2", "1": "1"},
        ),
    ],
)
def test_other_systems(store: Store, tmp_path: Path, products: str, options: Options, orders: dict[str, str]) -> None:
    assert load_file(store, "products", write(tmp_path, "p.csv", products), options).system
    lines = "".join(f"{number},{name}\n" for number, name in enumerate(orders))
    load_file(store, "transactions", write(tmp_path, "t.csv", f"basket_id,product_id\n{lines}"))
    assert column(store, "transactions", "product_id") == list(orders.values())


def test_reviews_and_events_keep_the_keys_that_they_have_without_products(tmp_path: Path) -> None:
    catalogue = files(tmp_path)[0]
    reviews = write(tmp_path, "r.csv", "text,product_id\ngood,SH-S\ngood,SH-S\nbad,\nwell,TWO\n")
    events = write(tmp_path, "e.csv", "event_type,product_id,user_id\nview,SH-M,u\ncart,mug,u\nsearch,,u\n")
    made = []
    for name in ("raw", "joined"):
        store = Store(str(tmp_path / name))
        if name == "joined":
            load_file(store, "products", catalogue)
        reports = [load_file(store, "reviews", reviews), load_file(store, "events", events)]
        made.append((column(store, "reviews", "review_id"), column(store, "events", "event_id")))
    assert made[0] == made[1]
    assert [(r.products_translated, r.products_ambiguous) for r in reports] == [(2, 1), (1, 0)]
    assert column(store, "reviews", "product_id") == ["shirt", "shirt", None, "TWO"]
    assert column(store, "events", "product_id") == ["shirt", "mug", None]


def test_products_and_their_codes_come_in_one_commit(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no moment between two commits: a load that ends at its commit leaves neither, and the next one both."""
    catalogue, orders = files(tmp_path)

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> int:
        raise Killed

    for mode in ("append", "replace"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Store, "commit", killed)
            load_file(store, "products", catalogue, mode=mode)  # type: ignore[arg-type]
        assert not store.exists("products") or not any(column(store, "products", "codes"))
        assert load_file(store, "transactions", orders, dry_run=True).products_translated == 0
        load_file(store, "products", write(tmp_path, "other.csv", "product_id\nx\n"))
    version = store.snapshot("products").version
    assert load_file(store, "products", catalogue, mode="replace").version == version + 1
    assert load_file(store, "transactions", orders).products_translated == 4


def test_too_many_codes_are_not_held(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue, orders = files(tmp_path)
    load_file(store, "products", catalogue)
    for number in range(3):  # the same goods and codes once more
        load_file(store, "products", write(tmp_path, "p.csv", PRODUCTS.replace("Acme", f"Brand {number}")))
    monkeypatch.setattr(product_codes, "MOST", 8)
    assert load_file(store, "transactions", orders, dry_run=True).products_translated == 4, "there are eight"
    monkeypatch.setattr(product_codes, "MOST", 7)
    report = load_file(store, "transactions", orders)
    assert "product_id: products has more than 7 codes: product ids stay as the file has them" in report.notes
    assert column(store, "transactions", "product_id") == STATED


def test_products_of_an_older_version_have_no_codes(store: Store, tmp_path: Path) -> None:
    """Such a table lacks the column; so do the transactions that were loaded beside it."""
    catalogue, orders = files(tmp_path)
    for name, gone, key in (("products", "codes", ["mug"]), ("transactions", "stated_product", ["SH-S"])):
        table = store_table(name).schema()
        older = pa.schema([field for field in table if field.name != gone])
        cells = {field.name: pa.array([None], field.type) for field in older}
        cells |= {"product_id": pa.array(key), **({"basket_id": pa.array(["#1"])} if name == "transactions" else {})}
        DeltaTable.create(store.uri(name), older)
        from deltalake import write_deltalake

        write_deltalake(store.uri(name), pa.table(cells, schema=older), mode="append")
    assert load_file(store, "transactions", orders, dry_run=True).products_translated == 0
    load_file(store, "products", catalogue)
    report = load_file(store, "transactions", orders)
    assert report.products_translated == 3 and any("1 rows stand in the table already" in n for n in report.notes)
    assert Counter(column(store, "transactions", "product_id"))["SH-S"] == 2


def store_table(name: str) -> Any:
    from shopbatch.tables import table

    return table(name)


NAMES = st.sampled_from(["a", "b", "c", "x", "y", "z", "0x"])


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    products=st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3), st.none() | NAMES), min_size=1, max_size=6),
    orders=st.lists(NAMES, min_size=1, max_size=8),
)
def test_any_shop(tmp_path_factory: pytest.TempPathFactory, products: list[Any], orders: list[str]) -> None:
    folder = tmp_path_factory.mktemp("shop")
    store = Store(str(folder / "warehouse"))
    lines = [json.dumps({"product_id": p, "codes": codes, "gtin": gtin}) for p, codes, gtin in products]
    load_file(store, "products", write(folder, "p.jsonl", "\n".join(lines)))
    load_file(
        store, "transactions", write(folder, "t.csv", "basket_id,product_id\n" + "".join(f"1,{o}\n" for o in orders))
    )
    merged: dict[str, set[str]] = {}
    for product, codes, _ in products:
        merged.setdefault(product, set()).update(codes)
    for product in merged:  # of several barcodes the last one is the product's
        merged[product] |= {g for p, _, g in [*products] if p == product and g is not None and g == last(products, p)}

    def expected(name: str) -> str:
        owners = [product for product, codes in merged.items() if name in codes]
        return owners[0] if name not in merged and len(owners) == 1 else name

    assert column(store, "transactions", "product_id") == [expected(name) for name in orders]


def last(products: list[Any], product: str) -> str | None:
    stated = [gtin for name, _, gtin in products if name == product and gtin is not None]
    return stated[-1] if stated else None
