"""Queries of a real PostgreSQL server (and of SQLite): values, digests, memory, and errors that hold no password."""

import datetime as dt
import re
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as dbapi
import pyarrow as pa
import pytest

from shopbatch.core.errors import UserError
from shopbatch.load.database import open_query
from tests.load.postgres import PASSWORD, running_server

pytestmark = pytest.mark.slow

SETUP = """
create type state as enum ('new', 'paid');
create table orders (
    id bigint primary key, small smallint, price numeric(12, 2), exact numeric, rate double precision, paid bool,
    at timestamptz, local timestamp, day date, note text, code char(5), name varchar(20), raw bytea,
    attributes jsonb, plain json, tags text[], prices numeric[], states state[], token uuid, state state,
    fee money, lasts interval, clock time, host inet, spot point);
insert into orders values (
    1, 2, 19.90, 12345678901234567890.123456789, 0.1, true,
    '2024-05-01 12:00:00.123456+08', '2024-05-01 12:00:00', '2024-05-01', 'Grüße 你好', 'AB', 'cap', '\\x00ff',
    '{"size": "M"}', '{"a":1}', '{red,NULL,"a,b"}', '{1.50,2}', '{new,paid}', '11111111-2222-3333-4444-555555555555',
    'paid', 1234.5, '1 day 02:00', '10:30', '10.0.0.1', '(1,2)');
insert into orders (id) values (2);
create table log (entry text);
create sequence numbers;
create function remember() returns text language plpgsql as $$ begin insert into log values ('x'); return 'x'; end $$;
"""
ROW = {
    "id": 1,
    "small": 2,
    "price": "19.90",
    "exact": "12345678901234567890.123456789",
    "rate": 0.1,
    "paid": True,
    "at": dt.datetime(2024, 5, 1, 4, 0, 0, 123456, dt.UTC),
    "local": dt.datetime(2024, 5, 1, 12),
    "day": dt.date(2024, 5, 1),
    "note": "Grüße 你好",
    "code": "AB",
    "name": "cap",
    "raw": b"\x00\xff",
    "attributes": '{"size": "M"}',
    "plain": '{"a":1}',
    "tags": ["red", None, "a,b"],
    "prices": ["1.50", "2"],
    "states": ["new", "paid"],
    "token": str(uuid.UUID("11111111-2222-3333-4444-555555555555")),
    "state": "paid",
    "fee": "1234.50",
    "lasts": "1 day 02:00:00",
    "clock": "10:30:00",
    "host": "10.0.0.1/32",
    "spot": "(1,2)",
}


def execute(uri: str, *statements: str) -> None:
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with running_server() as uri:
        functions = re.split(r";\n", SETUP)
        execute(uri, *(statement for statement in functions if statement.strip()))
        yield uri


def rows_of(uri: str, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    opened = open_query(uri, query)
    for batch in opened.batches(opened.names):
        columns = [batch.get(name) for name in batch.names]
        assert all(isinstance(column, pa.Array) for column in columns)
        assert batch.rows.tolist() == list(range(len(rows) + 1, len(rows) + 1 + len(batch.rows)))
        values = [column.to_pylist() for column in columns]
        rows += [dict(zip(batch.names, row, strict=True)) for row in zip(*values, strict=True)]
    return rows


def test_every_type_arrives_exactly_or_as_the_text_that_the_server_writes(uri: str) -> None:
    assert rows_of(uri, "select * from orders order by id;  ") == [ROW, dict.fromkeys(ROW) | {"id": 2}]
    types = {name: batch.get(name).type for batch in open_query(uri, "table orders").batches(["at"]) for name in ["at"]}
    assert types == {"at": pa.timestamp("us", "UTC")}
    assert rows_of(uri, 'select 1.5 as "a ""b""" -- a comment') == [{'a "b"': "1.5"}]


def test_only_the_wanted_columns_are_read_and_others_are_null(uri: str) -> None:
    (batch,) = open_query(uri, "select * from orders").batches(["note", "absent"])
    assert (batch.get("note").null_count, batch.get("absent").null_count) == (1, 2)
    assert batch.file.startswith("postgresql://127.0.0.1/postgres query ")


def test_an_empty_result_knows_its_columns(uri: str) -> None:
    opened = open_query(uri, "select id, price from orders where false")
    assert opened.names == ("id", "price")
    assert sum(len(batch.rows) for batch in opened.batches(opened.names)) == 0


def test_the_digest_names_the_rows_whatever_their_order(uri: str) -> None:
    query = "select g as id, (g * 0.01)::numeric as price from generate_series(1, {}) g order by g {}"
    same = {open_query(uri, query.format(20_000, order)).digest for order in ("asc", "desc", "asc")}
    assert len(same) == 1
    others = {
        open_query(uri, text).digest
        for text in (
            query.format(19_999, ""),
            query.format(20_000, "").replace("as id", "as key"),
            query.format(20_000, "").replace("g as", "g::text as"),
            f"({query.format(20_000, '')}) union all (select 1, 0.01)",
        )
    }
    assert len(others | same) == 5


def test_the_database_cannot_be_changed(uri: str) -> None:
    for query in (
        "select remember()",
        "select nextval('numbers')",
        "delete from orders returning id",
        "with gone as (delete from orders returning id) select * from gone",
        "drop table orders",
        "select 1) to stdout; drop table orders; select (1",
        "set transaction read write",
    ):
        with pytest.raises(UserError, match=r"read-only transaction|returns no columns|syntax error"):
            open_query(uri, query)
    assert rows_of(uri, "select (select count(*) from log) as a, (select count(*) from orders) as b") == [
        {"a": 0, "b": 2}
    ]


@pytest.mark.parametrize(
    ("change", "query", "message"),
    [
        (("postgres", "postgres"), "select * from nowhere", 'relation "nowhere" does not exist (SQLSTATE 42P01)'),
        (("postgres", "postgres"), "selec 1", 'syntax error at or near "selec" (SQLSTATE 42601)'),
        (("postgres", "postgres"), "select nam from orders", 'column "nam" does not exist'),
        (
            ("postgres", "postgres"),
            "select note::int from orders",
            "invalid input syntax for type integer: [value hidden]",
        ),
        (("postgres", "postgres"), "select 1 / (id - 2) from orders", "division by zero"),
        (("postgres", "postgres"), "select id, id from orders", "the query returns 'id' more than once"),
        (("postgres", "postgres"), " ; ", "the query is empty"),
        (("/postgres", "/postgres?options=-c%20statement_timeout%3D50"), "select pg_sleep(9)", "statement timeout"),
        (("/postgres", "/nowhere"), "select 1", 'database "nowhere" does not exist'),
        (("cret", "crets"), "select 1", 'password authentication failed for user "shop"'),
        (("127.0.0.1", "nowhere.invalid"), "select 1", "could not translate host name"),
        (("127.0.0.1:", "127.0.0.1:1"), "select 1", "invalid port number"),
        (("/postgres", "/postgres?sslpassword=geheim&nothing=geheim"), "select 1", "invalid URI query parameter"),
        (("%40%2F", "@/"), "select 1", "special characters of the password as percent codes"),
        (("%25", "%"), "select 1", "special characters of the password as percent codes"),
        (("postgresql:", "nosuch:"), "select 1", "no ADBC driver for 'nosuch' is installed"),
        (("postgresql:", "snowflake:"), "select 1", "pip install adbc-driver-snowflake"),
    ],
)
def test_what_goes_wrong_is_one_line_without_the_password(
    uri: str, change: tuple[str, str], query: str, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        list(open_query(uri.replace(*change), query).batches(["id"]))
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    for secret in (PASSWORD, "se%25cret", "cret", "geheim", "Grüße"):
        assert secret not in text
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_the_uri_may_stand_in_an_environment_variable(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB", uri)
    assert rows_of("env:SHOP_DB", "select 1 as one") == [{"one": 1}]
    for wrong in ("env:NO_SUCH_DB", f"env:{uri}"):
        with pytest.raises(UserError, match=r"environment variable") as caught:
            open_query(wrong, "select 1")
        assert "cret" not in str(caught.value)


def test_text_of_a_database_in_another_encoding_is_utf8(uri: str) -> None:
    execute(uri, "create database western encoding 'LATIN1' template template0 locale 'C'")
    western = uri.replace("/postgres", "/western")
    execute(western, "create table names as select chr(233) as name")
    assert rows_of(western, "table names") == [{"name": "é"}]


def test_memory_does_not_grow_with_the_result(uri: str) -> None:
    query = "select g as id, repeat(md5(g::text), 32) as text from generate_series(1, {}) g"
    open_query(uri, query.format(1))
    before = peak_bytes()
    opened = open_query(uri, query.format(200_000))  # 200 MB
    assert sum(len(batch.get("text")) for batch in opened.batches(["text"])) == 200_000
    assert peak_bytes(reset=False) - before < 110_000_000


def peak_bytes(reset: bool = True) -> int:
    """The most memory that this process has held, or holds now after a reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


def test_another_driver_reads_another_database(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as database:
        database.execute("create table orders (id int, note text)")
        database.executemany("insert into orders values (?, ?)", [(1, "a"), (2, None)])
    uri = f"sqlite://{file}"
    assert rows_of(uri, "select * from orders") == [{"id": 1, "note": "a"}, {"id": 2, "note": None}]
    assert next(open_query(uri, "select 1 as a").batches(["a"])).file.startswith("sqlite:shop.db query ")
    with pytest.raises(UserError, match=r"readonly"):
        open_query(uri, "delete from orders")
    with pytest.raises(UserError, match=r"no sqlite database"):
        open_query(f"sqlite://{tmp_path}/nowhere.db", "select 1")
