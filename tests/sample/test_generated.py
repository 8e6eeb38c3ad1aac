"""The generated shop: the same bytes for a seed, rows independent of each other, the mess in its shares, all joined."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.sample import fill_generated, review_banks
from shopbatch.sample.reviews import reviews
from shopbatch.sample.shop import Mess, Shop
from shopbatch.tables import SOURCES
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse.store import Store

pytestmark = pytest.mark.slow

ROWS = 120_000
SHOP = Shop(reviews=ROWS, products=2_400, users=12_000, seed=11)


@pytest.fixture(scope="module")
def shop() -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(reviews(SHOP, 0, ROWS)[0]))


def distinct_contents(data: pl.DataFrame) -> int:
    """Different (title, text) among the rows whose key is theirs alone."""
    alone = data.filter(pl.col("review_id").is_unique())
    return alone.select(pl.struct("title", "text").n_unique()).item()


def digests(store: Store, table: str) -> list[str]:
    return [hashlib.sha256(Path(f.uri).read_bytes()).hexdigest() for f in store.snapshot(table).files]


@pytest.mark.slow
def test_same_seed_same_bytes_and_nothing_written_twice(tmp_path: Path) -> None:
    one, two = Store(str(tmp_path / "one")), Store(str(tmp_path / "two"))
    report = fill_generated(one, 270_000, 5, transactions_per_review=0.1)
    fill_generated(two, 270_000, 5, transactions_per_review=0.1)
    boutique, loaded = (
        {"queries", "judgements", "shopper_requests", "product_images"},
        {"synonyms", "ticket_feedback", "aspect_labels", "search_events", "glossary", "translation_references"},
    )
    tables = set(SOURCES) - boutique - loaded
    assert set(one.names()) == tables
    for table in tables:
        assert digests(one, table) == digests(two, table)
    assert len(digests(one, "reviews")) == 2
    again = fill_generated(one, 270_000, 5, transactions_per_review=0.1)
    assert (report.written, again.written) == (True, False)
    assert [t.version for t in again.tables] == [t.version for t in report.tables]
    assert again.distinct_texts == report.distinct_texts
    assert "distinct texts" in "\n".join(report.lines())


def test_another_seed_is_another_shop_in_its_place(store: Store) -> None:
    fill_generated(store, 1_000, 1)
    before = store.snapshot("reviews").read()
    report = fill_generated(store, 1_000, 2)
    after = store.snapshot("reviews").read()
    assert report.written
    assert after.num_rows == 1_000
    assert not after["text"].equals(before["text"])


def test_rows_do_not_depend_on_how_they_are_cut_and_ordered() -> None:
    whole = reviews(SHOP, 0, 5_000)[0]
    parts = [reviews(SHOP, first, 1_250)[0] for first in (3_750, 0, 2_500, 1_250)]
    assert pa.concat_tables([parts[i] for i in (1, 3, 2, 0)]).equals(whole)


def test_the_mess_has_its_shares(shop: pl.DataFrame) -> None:
    mess = Mess()

    def share(of: pl.Expr) -> float:
        return float(shop.select(of.fill_null(False).mean()).item())

    text = pl.col("text")
    blank = text.str.strip_chars() == ""
    assert share(text.is_null()) == pytest.approx(mess.null_text, abs=0.001)
    assert share(blank) == pytest.approx(mess.blank_text, abs=0.001)
    assert share(text.str.len_chars() == 10_000) == pytest.approx(mess.long_text, abs=0.0003)
    assert share(text.str.contains("\x00", literal=True)) == pytest.approx(mess.nul_bytes, abs=0.0001)
    assert share(text.str.contains("\x00", literal=True)) > 0
    assert share(text.str.contains(r"\p{Extended_Pictographic}")) == pytest.approx(mess.emoji, abs=0.005)
    assert share(text.str.contains(r"\p{Han}")) == pytest.approx(mess.chinese + 0.7 * mess.mixed_language, abs=0.01)
    both = text.str.contains(r"\p{Han}") & text.str.contains(r"[a-z]{4}")
    assert share(both) == pytest.approx(mess.mixed_language, abs=0.004)
    for column, expected in (
        ("title", mess.null_title),
        ("rating", mess.null_rating),
        ("product_id", mess.null_product),
        ("user_id", mess.null_user),
        ("language", mess.null_language),
        ("created_at", mess.null_created_at),
        ("label", 1 - mess.stated_label),
    ):
        assert share(pl.col(column).is_null()) == pytest.approx(expected, abs=0.01)
    repeated = 1 - shop["text"].drop_nulls().n_unique() / len(shop)
    assert repeated == pytest.approx(mess.duplicate_texts, abs=0.01)
    assert shop["text"].str.len_bytes().mean() == pytest.approx(281, abs=8)
    assert 1 - shop["review_id"].n_unique() / len(shop) == pytest.approx(mess.duplicate_keys, abs=0.0005)


def test_the_number_of_distinct_texts_is_exact(shop: pl.DataFrame) -> None:
    told = sum(reviews(SHOP, first, ROWS // 4)[1] for first in range(0, ROWS, ROWS // 4))
    there = shop.filter(pl.col("text").str.strip_chars() != "")["text"].n_unique()
    assert told == there
    assert 0.75 * ROWS < distinct_contents(shop) <= there + 20_000


def test_a_later_version_is_later_and_different_but_of_the_same_product(shop: pl.DataFrame) -> None:
    several = shop.with_row_index().filter(pl.col("review_id").is_duplicated()).sort("review_id", "index")
    assert len(several) > 300
    for _, versions in several.group_by("review_id"):
        last = versions["created_at"].drop_nulls()
        assert last.is_sorted()
        assert last.n_unique() == len(last)
        assert versions["created_at"][-1] is not None  # the latest can always be told
        assert versions["product_id"].n_unique() == 1
        assert versions["user_id"].n_unique() == 1
    assert several.select(pl.struct("review_id", "text").n_unique()).item() > 0.98 * len(several)


def test_words_agree_with_stars(shop: pl.DataFrame) -> None:
    rated = shop.drop_nulls(["rating", "text"]).with_columns(
        mood=pl.when(pl.col("rating") <= 2).then(0).when(pl.col("rating") == 3).then(1).otherwise(2)
    )
    for mood, sentiment in enumerate(review_banks.SENTIMENTS):
        for language in review_banks.LANGUAGES:
            closings = [c.strip() for c in review_banks.phrases(language).closings[sentiment]]
            using = rated.filter(pl.col("text").str.contains_any([c for c in closings if len(c) > 6]))
            assert len(using) > 500
            assert (using["mood"] == mood).mean() > 0.99
    stated = rated.drop_nulls("label")
    assert (stated["label"] == stated["mood"].replace_strict(dict(enumerate(review_banks.SENTIMENTS)))).all()


def test_the_shop_is_joined_up(store: Store) -> None:
    report = fill_generated(store, 20_000, 3)
    tables = {t.table: pl.DataFrame(pl.from_arrow(store.snapshot(t.table).read())) for t in report.tables}
    assert {n: len(t) for n, t in tables.items()} == {
        "products": 400,
        "users": 2_000,
        "transactions": 40_000,
        "campaigns": len(tables["campaigns"]),  # drawn: see test_activity
        "coupons": 1_200,
        "redemptions": len(tables["redemptions"]),
        "offers": tables["products"]["sale_price"].count(),
        "experiments": 4_000,
        "events": 40_000,
        "reviews": 20_000,
        "support_dialogs": 6_000,
        "product_copy": 6_000,
        "policies": 72,
        "orders": 900,
        "order_lines": len(tables["order_lines"]),  # see test_support
        "tickets": 600,
        "intent_examples": 4_452,
        "referral_events": len(tables["referral_events"]),  # drawn: see test_referrals
    }
    joined = tables["referral_events"].filter(kind="joined")["invitee_id"]
    assert joined.is_in(tables["users"]["user_id"].implode()).mean() > 0.9, "but for those beyond a block"
    for table in ("reviews", "transactions", "events", "coupons"):
        assert tables[table]["product_id"].drop_nulls().is_in(tables["products"]["product_id"].implode()).all()
    for table in ("reviews", "transactions", "events", "campaigns", "redemptions", "orders", "tickets"):
        assert tables[table]["user_id"].drop_nulls().is_in(tables["users"]["user_id"].implode()).all()
    bought = tables["transactions"]
    assert not bought.select("basket_id", "product_id").is_duplicated().any()
    assert bought.group_by("basket_id").agg(pl.col("user_id").n_unique())["user_id"].max() == 1
    paid = bought.filter(pl.col("quantity") > 0)
    assert (paid["sales_value"] > 0).all()
    assert (bought.filter(pl.col("quantity") == -1)["sales_value"] < 0).all()
    assert not tables["products"]["product_id"].is_duplicated().any()
    assert not tables["users"]["user_id"].is_duplicated().any()


@pytest.mark.parametrize("rows", [1, 2, 17])
def test_the_smallest_shops(store: Store, rows: int) -> None:
    report = fill_generated(store, rows, 0)
    assert store.snapshot("reviews").rows == rows
    assert report.to_dict()["tables"]["transactions"]["rows"] == 2 * rows


def test_as_many_transactions_as_asked_for(store: Store) -> None:
    report = fill_generated(store, 50, 3, lines=30_000)
    rows = {t.table: t.rows for t in report.tables}
    assert (rows["transactions"], rows["events"], rows["reviews"]) == (30_000, 30_000, 50)
    assert (rows["users"], rows["products"]) == (300, 30)
    assert store.snapshot("transactions").read().group_by("user_id").aggregate([]).num_rows == 300
    assert fill_generated(store, 50, 3, transactions_per_review=1).written
    assert store.snapshot("transactions").rows == 50
    with pytest.raises(UserError, match="transactions must be from 0 to"):
        fill_generated(store, 50, 3, lines=-1)


def test_the_command_makes_as_many_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    assert cli.main(["sample", "--source", "generated", "--rows", "50", "--transactions", "700"]) == 0
    assert store.snapshot("transactions").rows == 700
    assert cli.main(["sample", "--transactions", "700"]) == 2


def test_a_warehouse_of_other_columns_is_left_as_it_is(store: Store) -> None:
    before = replace(TRANSACTIONS, columns=tuple(c for c in TRANSACTIONS.columns if c.name != "product_id"))
    store.commit(before, [], mode="append", run_key="x", metadata={"sample": "x"})
    with pytest.raises(UserError, match="move the old table away"):
        fill_generated(store, 10, 0)
    assert store.names() == ["transactions"]  # nothing was half done


@pytest.mark.parametrize("rows", [0, -5, 10**12])
def test_impossible_sizes_are_refused(store: Store, rows: int) -> None:
    with pytest.raises(UserError, match="rows must be from 1 to"):
        fill_generated(store, rows, 0)
    assert store.names() == []


def test_a_users_rows_are_not_replaced(store: Store) -> None:
    mine = REVIEWS.schema().empty_table()
    row = pa.table(
        {f.name: pa.array(["mine"]) if f.name in ("review_id", "text") else pa.nulls(1, f.type) for f in mine.schema},
        schema=mine.schema,
    )
    store.commit(REVIEWS, [store.write_file(REVIEWS, row, "run-1", 0)], mode="append", run_key="mine")
    with pytest.raises(UserError, match="table 'reviews' holds rows that no sample brought"):
        fill_generated(store, 10, 0)
    assert store.snapshot("reviews").read()["text"].to_pylist() == ["mine"]
    assert not store.exists("products")  # nothing was half done


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "lines"), [(800_000, 0), (1_000, 1_500_000)])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, rows: int, lines: int) -> None:
    program = (
        "import re, sys; from shopbatch.sample import fill_generated; from shopbatch.warehouse.store import Store\n"
        "fill_generated(Store(sys.argv[1]), int(sys.argv[2]), 1, lines=int(sys.argv[3]))\n"
        # not ru_maxrss: that begins with the parent's
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(rows), str(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout)
    assert kilobytes < 1_000_000
    store = Store(str(tmp_path))
    assert pc.sum(store.snapshot("reviews").read(["rating"])["rating"].is_valid()).as_py() > 0.875 * rows
    assert store.snapshot("events").rows == lines
