"""What the job promises for a day: equal to the SQL definition, published whole or not at all, then left unchanged."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles import publish
from shopbatch.capabilities.profiles.config import ProfileConfig, parse_days, requested_days
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.runs import job
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS
from shopbatch.tables.events import EVENTS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS
from shopbatch.warehouse import browse, files, spark_bridge
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import AS_OF, FIRST_DAY
from tests.capabilities.profiles.shop import CATALOGUE, at, expected_profiles, line, open_shop, profiles, put, run


def everything(store: Store) -> None:
    """A shop with a row of every kind in every table."""
    open_shop(
        store,
        [
            *(
                line(f"b{i}", f"p{i % 4}", f"u{i % 6}", f"2024-0{i % 3 + 1}-{i % 27 + 1:02}", value=90 + i)
                for i in range(60)
            ),
            line("r1", "p1", "u1", "2024-03-10", quantity=-2, value=-180),
            line("r2", "p1", "returns only", "2024-03-10", quantity=-1, value=-50),
            line("z", "p2", "u1", "2024-03-11", quantity=0, value=30),
            line("neg", "p3", "u4", "2024-03-11", value=-500),
            line("disc", "p2", "u2", "2024-03-12", retail_discount=1, coupon_discount=2, coupon_match_discount=None),
            line("b3", "p3", "u3", "2024-03-13", value=7, ingested_at=at("2024-03-19")),
            line("b3", "p3", "u3", "2024-03-13", value=8, ingested_at=at("2024-03-25")),
        ],
    )
    sent = [("c1", "u1"), ("c1", "u2"), ("c2", "u1")]
    put(store, CAMPAIGNS, [{"campaign_id": c, "user_id": u, "starts_at": at("2024-02-01")} for c, u in sent])
    put(store, CAMPAIGNS, [{"campaign_id": "c9", "user_id": "u1", "starts_at": at("2024-03-20")}])
    put(store, COUPONS, [{"campaign_id": "c1", "coupon_id": k, "product_id": p} for k in "xy" for p in ("p1", "p2")])
    put(store, REDEMPTIONS, [
        {"user_id": u, "campaign_id": "c1", "coupon_id": "x", "redeemed_at": at(d)}
        for u, d in (("u1", "2024-02-20"), ("u1", "2024-03-20"), ("only redeems", "2023-11-01"))
    ])  # fmt: skip
    put(store, REVIEWS, [
        {"review_id": r, "user_id": u, "created_at": at(d)}
        for r, u, d in (("v1", "u1", "2024-03-01"), ("v2", "u1", "2024-03-21"), ("v3", "only writes", "2024-03-02"),
                        ("v1", "u1", "2024-03-05"), ("v4", None, "2024-03-01"), ("v5", "u1", "2024-03-04"))
    ])  # fmt: skip
    scored = {"content_hash": "0", "recipe": "r", "scored_at": at("2024-03-30"), "run_id": "x", "p_neutral": 0.1}
    put(store, REVIEW_SENTIMENT, [
        {**scored, "review_id": r, "label": label, "p_negative": n, "p_positive": p}
        for r, label, n, p in (("v1", "positive", 0.1, 0.8), ("v5", "negative", 0.7, 0.2))
    ])  # fmt: skip
    put(store, EVENTS, [
        {"event_id": f"e{i}", "user_id": f"u{i % 3}", "event_type": kind, "event_time": at(d)}
        for i, (kind, d) in enumerate([(k, d) for k in ("view", "cart", "search", "invitation", "view", "dance")
                                       for d in ("2024-01-01", "2024-03-01", "2024-03-19", "2024-03-20")])
    ])  # fmt: skip
    put(store, EVENTS, [{"event_id": "e0", "user_id": "u5", "event_type": "view", "event_time": at("2024-03-18"),
                         "ingested_at": at("2024-03-19")}])  # fmt: skip


def test_every_group_of_features_equals_the_sql_definition(spark: SparkSession, store: Store) -> None:
    spark.conf.set("spark.sql.adaptive.enabled", "true")  # as in a real run
    everything(store)
    report = run(spark, store, as_of="2024-03-19..2024-03-20")
    for day in (date(2024, 3, 19), AS_OF):
        assert differences(profiles(store, day), expected_profiles(store, day)) == {}
    assert report.rejects == {"superseded": 2}  # of b3, two earlier versions
    assert all(gate.passed for gate in report.gates)
    assert store.snapshot("events_rejects").read(["reason"])["reason"].to_pylist().count("no_type") == 4


def test_a_knowledge_cut_knows_only_what_had_come(spark: SparkSession, store: Store) -> None:
    everything(store)
    for cut in (at("2024-03-19", 13), at("2024-03-13")):
        run(spark, store, as_of=AS_OF, restate=AS_OF, knowledge_cut=cut)
        assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF, knowledge_cut=cut)) == {}
        assert profiles(store, AS_OF)["knowledge_cut"][0].as_py() == cut


def test_without_the_optional_tables_their_features_are_null(first_day: Store) -> None:
    rows = profiles(first_day, FIRST_DAY)
    assert differences(rows, expected_profiles(first_day, FIRST_DAY)) == {}
    assert [rows[n].null_count for n in ("campaigns_received", "views_30d", "reviews_written")] == [4, 4, 4]


@pytest.mark.parametrize("order", [1, -1], ids=["old first", "new first"])
def test_a_catalogue_or_user_that_was_loaded_twice_counts_once(spark: SparkSession, store: Store, order: int) -> None:
    open_shop(store, [line(f"b{i}", f"p{i % 4}", f"u{i % 2}", value=90 + i) for i in range(8)])
    moved = {"product_id": "p1", "department": "PASTRY", "category": None, "brand": "Private"}
    older = {"user_id": "u1", "age": "35-44", "income": None}
    for rows in ([*CATALOGUE, moved], CATALOGUE)[::order]:
        put(store, PRODUCTS, rows)
    for row in ({"user_id": "u1", "age": None, "income": "50-74K"}, older)[::order]:
        put(store, USERS, [row])
    run(spark, store, as_of=AS_OF)
    rows = profiles(store, AS_OF)
    assert differences(rows, expected_profiles(store, AS_OF)) == {}
    assert rows["age"].to_pylist() == [None, "35-44"] and rows["top_departments"][1].as_py() == ["DRUG", "PASTRY"]


def test_days_are_those_of_the_shop(spark: SparkSession, store: Store) -> None:
    open_shop(store, [line("b1", transaction_at=at("2024-03-19", 23)), line("b0", user="u2", day="2024-03-01")])
    run(spark, store, as_of=AS_OF)
    assert profiles(store, AS_OF)["days_since_last"].to_pylist() == [1, 19]
    run(
        spark, store, as_of=AS_OF, restate=AS_OF, timezone="Asia/Shanghai"
    )  # there it was the 20th already, 7 in the morning
    assert profiles(store, AS_OF)["user_id"].to_pylist() == ["u2"]
    run(spark, store, as_of="2024-03-21", timezone="Asia/Shanghai", gates={"drift": 9})
    assert profiles(store, date(2024, 3, 21))["daypart_share_morning"].to_pylist() == [1.0, 0.0]


def test_published_days_stay_until_they_are_restated(spark: SparkSession, first_day: Store) -> None:
    store = first_day
    run(spark, store, as_of="2024-03-19..2024-03-20")
    before = {f.path for f in store.snapshot("user_profiles").files}
    put(store, TRANSACTIONS, [line("late", day="2024-03-02")])
    assert run(spark, store, as_of="2024-03-19..2024-03-20").outcome == "nothing to do"
    assert {f.path for f in store.snapshot("user_profiles").files} == before
    run(spark, store, as_of="2024-03-19..2024-03-20", restate="2024-03-20")
    assert profiles(store, AS_OF)["baskets_all"].to_pylist() == [1, 2, 1, 1]
    assert profiles(store, date(2024, 3, 19))["baskets_all"].to_pylist() == [1, 1, 1, 1]
    assert DeltaTable(store.uri("user_profiles")).to_pyarrow_table().num_rows == 8


def test_a_refused_day_leaves_the_table_as_it_was(spark: SparkSession, first_day: Store) -> None:
    store = first_day
    version = store.snapshot("user_profiles").version
    put(store, TRANSACTIONS, [line("much", value=99_900, day="2024-03-18")])
    with pytest.raises(GateRefused, match=r"2024-03-20: gate 'drift': .*, limit 0\.5 \(sales_30d\)"):
        run(spark, store, as_of=AS_OF)
    assert store.snapshot("user_profiles").version == version
    assert [f.name for f in Path(store.uri("user_profiles")).glob("as_of=2024-03-20/*/*.parquet")] == []
    run(spark, store, as_of=AS_OF, gates={"drift": 1000})
    assert store.snapshot("user_profiles").version == version + 1


def test_money_that_is_lost_is_refused(spark: SparkSession, first_day: Store) -> None:
    store = first_day
    DeltaTable(store.uri("user_daily")).delete("user_id = 'u2'")  # a tile is gone, and no metadata says so
    with pytest.raises(
        GateRefused, match=r"gate 'money reconciles, in cents': 100, limit 0 \(source 500, users 300, rejects 100\)"
    ):
        run(spark, store, as_of=AS_OF)
    assert publish.published_days(store.find("user_profiles")) == [date(2024, 3, 19)]


def test_rows_that_do_not_count_are_listed_with_their_reason(spark: SparkSession, store: Store) -> None:
    good = line("b1")
    invalid = [
        *(line("n", user=None), line("w", user="  "), line(" ", "p1"), line("t", transaction_at=None)),
        *(line("q", quantity=None), line("a", value=None)),
        {**good, "ingested_at": at("2024-03-02"), "sales_value": None},
        # a quantity beyond 10,000,000 either way is probably a barcode
        *(line(f"q{n}", quantity=n) for n in (4006381333931, 10_000_001, -10_000_001, -(2**63))),
    ]
    largest = [line(f"largest{sign}", user="u2", quantity=sign * 10_000_000) for sign in (1, -1)]
    corrected = line("b1", value=300, ingested_at=at("2024-03-02"))
    open_shop(store, [good, good, good, *invalid, corrected, *largest])
    report = run(spark, store, as_of=AS_OF)
    assert report.rejects == {
        "no_user": 2, "no_key": 1, "no_time": 1, "no_quantity": 5, "no_amount": 2, "superseded": 3,
    }  # fmt: skip
    assert profiles(store, AS_OF)["sales_all"].to_pylist() == [3, 2]
    assert report.rows.read == 17 and report.rows.rejected == 14
    assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF)) == {}


def test_a_source_without_a_row_that_counts_is_a_user_error(spark: SparkSession, store: Store) -> None:
    open_shop(store, [line("b1", user=None)])
    with pytest.raises(UserError, match="no transaction that counts"):
        run(spark, store)
    assert store.snapshot("transactions_rejects").rows == 1


def test_every_reader_sees_the_same_after_two_runs(spark: SparkSession, many_users: Store) -> None:
    store = many_users
    uri, columns = store.uri("user_profiles"), "user_id, as_of, baskets_all, sales_all, top_products"
    expected = sorted((f"u{i:04}", date(2024, 3, d), 1, "1.00", "p1") for i in range(1_000) for d in (18, 19, 20))

    def as_values(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        return sorted((u, d, b, str(s), next(iter(t))) for u, d, b, s, t in rows)  # type: ignore[call-overload]

    names = columns.split(", ")
    arrow = DeltaTable(uri).to_pyarrow_table(columns=names)
    assert as_values(list(zip(*(arrow[n].to_pylist() for n in names), strict=True))) == expected
    assert as_values(pl.scan_delta(uri).select(names).collect().rows()) == expected
    con = duckdb.connect()
    con.execute(f"LOAD '{_delta_extension()}'")
    assert as_values(con.execute(f"select {columns} from delta_scan('{uri}')").fetchall()) == expected
    assert (
        as_values([tuple(r) for r in spark_bridge.read(spark, store.snapshot("user_profiles"), names).collect()])
        == expected
    )
    one = browse.show(store, "user_profiles", 10, ["user_id=u0017"])
    assert one["as_of"].to_pylist() == [date(2024, 3, d) for d in (18, 19, 20)]
    assert browse.show(store, "user_profiles", 10, ["user_id=u0017", "as_of=2024-03-19"])["as_of"].to_pylist() == [
        date(2024, 3, 19)
    ]


def _delta_extension() -> str:
    import duckdb_extension_delta

    root = Path(duckdb_extension_delta.__file__).parent
    return str(next(root.rglob("delta.duckdb_extension")))


def test_a_reader_of_one_user_touches_few_bytes(many_users: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store = many_users
    snapshot = store.snapshot("user_profiles")
    bounds = snapshot.bounds("user_id")
    hit = [f.size for f in snapshot.files if bounds[f.path][0] <= "u0417" <= bounds[f.path][1]]
    assert len(hit) == 3 and sum(hit) <= 0.05 * sum(f.size for f in snapshot.files)
    real, opened = files.read, set()
    monkeypatch.setattr(files, "read", lambda uri, *rest: (opened.add(uri), real(uri, *rest))[1])
    assert browse.show(store, "user_profiles", 10, ["user_id=u0417"]).num_rows == 3
    assert len(opened) == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"as_of": "yesterday"}, "expected a day"),
        ({"as_of": "2024-03-02..2024-03-01"}, "the earlier one first"),
        ({"restate": "latest"}, "expected a day"),
        ({"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"knowledge_cut": "2024-03-01T00:00:00"}, "timezone"),
    ],
)
def test_a_wrong_configuration_is_explained(value: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProfileConfig(**value)  # type: ignore[arg-type]


def test_which_days_are_asked_for() -> None:
    assert parse_days("2024-02-28..2024-03-01") == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert requested_days(ProfileConfig(), date(2024, 3, 1)) == ([date(2024, 3, 2)], set())
    assert requested_days(ProfileConfig(restate="2024-03-01"), date(2024, 3, 1))[0] == [date(2024, 3, 1)]
    with pytest.raises(UserError, match="no transaction that counts"):
        requested_days(ProfileConfig(), None)


def test_the_latest_day_is_never_after_the_shops_today(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls(2024, 3, 20, 23, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr("shopbatch.capabilities.profiles.config.datetime", Clock)
    for zone, today in (("UTC", 20), ("Asia/Shanghai", 21), ("America/New_York", 20)):
        days_of = [
            requested_days(ProfileConfig(timezone=zone), date(2024, 3, d))[0] for d in (18, today - 1, today, 22)
        ]
        assert days_of == [[date(2024, 3, d)] for d in (19, today, today, today)]


def test_a_table_that_is_wrong_is_one_clear_line(spark: SparkSession, tmp_path: Path, first_day: Store) -> None:
    store = first_day

    with pytest.raises(UserError, match="no table 'transactions'"):
        run(spark, Store(str(tmp_path / "empty")), as_of=AS_OF)

    def mistake() -> str:
        with pytest.raises(UserError) as error:
            run(spark, store, as_of=AS_OF)
        return str(error.value)

    with pytest.raises(UserError, match="as_of 2020-01-01: nothing is known about any user before that day"):
        run(spark, store, as_of="2020-01-01")
    data = store.snapshot("transactions").read()
    from deltalake import write_deltalake

    for broken, message in (
        (data.drop_columns(["user_id"]), "has no column 'user_id'"),
        (
            data.set_column(5, "sales_value", data["sales_value"].cast(pa.string())),
            "'sales_value' is string, expected decimal128(12, 2)",
        ),
    ):
        write_deltalake(store.uri("transactions"), broken, mode="overwrite", schema_mode="overwrite")
        assert message in mistake()


def test_no_run_leaves_hidden_files_of_its_own(first_day: Store) -> None:
    store = first_day
    found = [p.name for p in Path(store.root).rglob("*") if p.is_file() and "_delta_log" not in p.parts]
    assert not [n for n in found if n.startswith(("_", "."))], found
    assert all(pq.ParquetFile(p).metadata.num_rows for p in Path(store.uri("user_profiles")).rglob("*.parquet"))


def test_the_job_is_what_the_command_line_runs() -> None:
    assert job.find("build_user_profiles").session == "spark"
