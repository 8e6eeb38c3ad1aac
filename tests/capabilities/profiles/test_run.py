"""What the job promises for a day: published whole or not at all, then left unchanged; mistakes are one clear line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles import publish
from shopbatch.capabilities.profiles.config import ProfileConfig, requested_days
from shopbatch.core.days import parse_days
from shopbatch.core.errors import GateRefused, UserError
from shopbatch.runs import job
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.tables.users import USERS
from shopbatch.warehouse import browse, files, spark_bridge
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import AS_OF, FIRST_DAY, copy_of
from tests.capabilities.profiles.shop import at, expected_profiles, line, open_shop, profiles, put, run


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda store: None, "no table 'transactions' in warehouse"),
        (lambda store: put(store, TRANSACTIONS, [], "replace"), "there is no transaction that counts"),
        (lambda store: (open_shop(store, [line("b")]), _without(store, "sales_value")), "no column 'sales_value'"),
        (lambda store: (open_shop(store, [line("b")]), _without(store, "age", "users")), "'users' has no column 'age'"),
    ],
)  # fmt: skip
def test_what_must_be_refused_is_refused_before_spark_starts(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: Callable[[Store], object],
    message: str,
) -> None:
    broken(store)
    monkeypatch.setattr("shopbatch.core.sessions.spark_session", None)
    assert job.main("build_user_profiles", [f"platform.warehouse={store.root}"]) == job.MISTAKE
    assert message in capsys.readouterr().err


def _without(store: Store, column: str, table: str = "transactions") -> None:
    """Rename a column of a table in the warehouse."""
    data = store.snapshot(table).read()
    write_deltalake(store.uri(table), data.rename_columns({column: "x"}), mode="overwrite", schema_mode="overwrite")


def test_days_are_those_of_the_shop(spark: SparkSession, store: Store) -> None:
    open_shop(store, [line("b1", transaction_at=at("2024-03-19", 23)), line("b0", user="u2", day="2024-03-01")])
    run(spark, store, as_of=AS_OF)
    assert profiles(store, AS_OF)["days_since_last"].to_pylist() == [1, 19]
    # there it was the 20th already, 7 in the morning
    run(spark, store, as_of="2024-03-21", restate=AS_OF, timezone="Asia/Shanghai", gates={"drift": 9})
    assert profiles(store, AS_OF)["user_id"].to_pylist() == ["u2"]
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
    with pytest.raises(GateRefused, match=r"2024-03-20: gate 'drift': sales_30d changed by .* gates\.drift=0\.5"):
        run(spark, store, as_of=AS_OF)
    assert store.snapshot("user_profiles").version == version
    assert [f.name for f in Path(store.uri("user_profiles")).glob("as_of=2024-03-20/*/*.parquet")] == []
    run(spark, store, as_of=AS_OF, gates={"drift": 1000})
    assert store.snapshot("user_profiles").version == version + 1


def test_money_that_is_lost_is_refused(spark: SparkSession, first_day: Store) -> None:
    """A tile is gone by a commit of our own, as a defect would leave it: it is not undone as what others do is."""
    store = first_day
    tiles = store.snapshot("user_daily")
    left = store.write_file(USER_DAILY, tiles.read(where=pc.field("user_id") != "u2"), "defect", 0)
    store.commit(USER_DAILY, [left], "replace", "defect", tiles.metadata)
    with pytest.raises(
        GateRefused, match=r"gate 'money reconciles, in cents': 100 cents .*\(source 500, users 300, rejects 100\)"
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
    assert report.unit == "users"
    assert differences(profiles(store, AS_OF), expected_profiles(store, AS_OF)) == {}


def test_a_source_without_a_row_that_counts_is_a_user_error(spark: SparkSession, store: Store) -> None:
    open_shop(store, [line("b1", user=None)])
    with pytest.raises(UserError, match="no transaction that counts"):
        run(spark, store)
    assert store.snapshot("transactions_rejects").rows == 1


def test_every_reader_sees_the_same_after_two_runs(spark: SparkSession, many_users: Store) -> None:
    store = many_users
    uri, columns = store.uri("user_profiles"), "user_id, as_of, baskets_all, sales_all, top_products"
    expected = sorted((f"u{i:04}", date(2024, 3, d), 1, "1.00", "p1") for i in range(1_000) for d in (19, 20))

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
    assert one["as_of"].to_pylist() == [FIRST_DAY, AS_OF]
    assert browse.show(store, "user_profiles", 10, ["user_id=u0017", "as_of=2024-03-19"])["as_of"].to_pylist() == [
        date(2024, 3, 19)
    ]


def _delta_extension() -> str:
    import duckdb_extension_delta

    root = Path(duckdb_extension_delta.__file__).parent
    return str(next(root.rglob("delta.duckdb_extension")))


def test_a_reader_of_one_user_touches_few_bytes(many_users: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statistics hold ids, so the ids of all users are read, and everything else of one file a day."""
    store = many_users
    snapshot = store.snapshot("user_profiles")
    touched, opened = 0, set()
    real = files.read

    def read(uri: str, schema: pa.Schema, *rest: Any) -> pa.Table:
        nonlocal touched
        names = set(schema.names)
        group = pq.ParquetFile(uri).metadata.row_group(0)
        chunks = [group.column(i) for i in range(group.num_columns)]
        touched += sum(c.total_compressed_size for c in chunks if c.path_in_schema.split(".")[0] in names)
        if names > {"user_id"}:
            opened.add(uri)
        return real(uri, schema, *rest)

    monkeypatch.setattr(files, "read", read)
    assert browse.show(store, "user_profiles", 10, ["user_id=u0417"]).num_rows == 2
    assert len(opened) == 2
    assert touched <= 0.05 * sum(f.size for f in snapshot.files)


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
    for broken, message in (
        (data.rename_columns({"user_id": "customer"}), "has no column 'user_id'"),
        (
            data.drop_columns(["sales_value"]).append_column("sales_value", data["sales_value"].cast(pa.string())),
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


def test_a_source_that_was_emptied_or_cut_replaces_nothing(
    spark: SparkSession, many_users: Store, tmp_path: Path
) -> None:
    store = copy_of(many_users, tmp_path / "cut")
    live, loose = store.snapshot("user_profiles").version, {"drift": 10.0}
    put(store, USERS, [{"user_id": "u0000"}], mode="replace")
    put(store, TRANSACTIONS, [line(f"b{i}", user=f"u{i:04}", day="2024-03-01") for i in range(499)], mode="replace")
    for config in ({"as_of": "2024-03-21"}, {"as_of": AS_OF, "restate": AS_OF}):
        with pytest.raises(GateRefused, match=r"gate 'shrinking': 499 rows .* of the 1,000 .* set gates\.rows=any"):
            run(spark, store, **config, gates=loose)
    put(store, TRANSACTIONS, [], mode="replace")
    for day in ("latest", "2024-03-21"):
        with pytest.raises(GateRefused, match=r"gate 'shrinking': transactions has no rows.*set gates\.rows=any"):
            run(spark, store, as_of=day)
    assert store.snapshot("user_profiles").version == live
    put(store, TRANSACTIONS, [line(f"b{i}", user=f"u{i:04}", day="2024-03-01") for i in range(499)], mode="replace")
    assert run(spark, store, as_of="2024-03-21", gates=loose | {"rows": "any"}).outcome == "published"
