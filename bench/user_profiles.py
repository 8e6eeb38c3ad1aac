"""build_user_profiles against its SQL definition in DuckDB and a pandas UDF; its growth; and the cost of a new day.

Run: python bench/user_profiles.py real --rounds 5              whole job (tiles and one day) against DuckDB and pandas
     python bench/user_profiles.py day --rows 20000000          tiles of a new day against a rebuild of all tiles
     python bench/user_profiles.py growth --rows 10000000       time per line, tiles, profiles, peak memory, spill

--warehouse keeps the sample, so that a second call does not have to generate it again. The tables that the job makes
are removed first.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
import pandas_profiles
import profile_days
import profile_growth
import pyarrow as pa
from profile_tools import build, fresh, machine
from pyspark.sql import SparkSession

from shopbatch import sample
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
SOURCES = ("transactions", "products", "users", "campaigns", "coupons", "redemptions")
AS_OF = date(2018, 1, 1)
MAX_PANDAS_ROUNDS = 2  # it is slow


def uris(store: Store, name: str) -> list[str]:
    """Return the files of a table."""
    return [f.uri for f in store.snapshot(name).files]


def duck(store: Store) -> tuple[float, int]:
    """Measure the seconds of the SQL definition, and count users. It writes no table."""
    from tests.capabilities.profiles import oracle

    start = time.perf_counter()
    con = duckdb.connect()
    for name in SOURCES:
        con.execute(f"create view {name} as select * from read_parquet({uris(store, name)})")
    users = oracle.profiles(con, AS_OF).num_rows
    con.close()
    return time.perf_counter() - start, users


def pandas(spark: SparkSession, store: Store) -> tuple[float, pa.Table]:
    """Measure the seconds of the pandas UDF; return its profiles too. It writes no table and has fewer features."""
    start = time.perf_counter()
    found = pandas_profiles.profiles(spark, {n: uris(store, n) for n in ("transactions", "products")}, AS_OF)
    return time.perf_counter() - start, found


def real(store: Store, arguments: argparse.Namespace) -> None:
    """Measure the job on the real sample and the same features in DuckDB, in turn; then some in a pandas UDF."""
    sample.fill_real(store, arguments.reviews)
    print(f"real sample: {store.snapshot('transactions').rows:,} transaction lines, as_of {AS_OF}")
    ours, duckdb_seconds, pandas_seconds = [], [], []
    with spark_session(Platform(spark=Spark(memory=arguments.memory))) as spark:
        for number in range(arguments.rounds + arguments.warm):
            fresh(store)
            seconds, report = build(spark, store, as_of=AS_OF)
            other, users = duck(store)
            parts = {n: round(s.seconds, 2) for n, s in report.stages.items()}
            print(
                f"round {number}: ours {seconds:.2f} s {parts}, DuckDB {other:.2f} s ({users:,} users), "
                f"ratio {seconds / other:.2f}",
                flush=True,
            )
            if number >= arguments.warm:
                ours.append(seconds)
                duckdb_seconds.append(other)
        for number in range(min(arguments.rounds, MAX_PANDAS_ROUNDS) + 1 if arguments.pandas else 0):
            seconds, found = pandas(spark, store)
            note = "warm-up" if number == 0 else f"round {number}"
            print(f"{note}: pandas UDF {seconds:.2f} s ({found.num_rows:,} users)", flush=True)
            if number:
                pandas_seconds.append(seconds)
        if arguments.pandas:
            print(pandas_profiles.compared(found, store.snapshot(USER_PROFILES.name).read()))
    median = statistics.median(ours)
    ratio = statistics.median(o / p for o, p in zip(ours, duckdb_seconds, strict=True))
    print(f"medians: ours {median:.2f} s, DuckDB {statistics.median(duckdb_seconds):.2f} s, ours / DuckDB {ratio:.2f}")
    if pandas_seconds:
        middle = statistics.median(pandas_seconds)
        print(
            f"pandas UDF {middle:.2f} s for {len(pandas_profiles.NAMES)} features, without tiles and publishing; "
            f"pandas / ours {middle / median:.1f}"
        )


def main() -> None:
    """Parse the command line and run one mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("real", "day", "growth"))
    parser.add_argument("--rows", type=int, default=2_000_000, help="day, growth: transaction lines")
    parser.add_argument("--rounds", type=int, default=5, help="real: rounds that count")
    parser.add_argument("--warm", type=int, default=3, help="real: rounds before them")
    parser.add_argument(
        "--reviews", type=int, default=None, help="real: number of reviews; the sample has ten times as many lines"
    )
    parser.add_argument("--pandas", action=argparse.BooleanOptionalAction, default=True, help="real: the pandas UDF")
    parser.add_argument("--memory", default="4g", help="heap of the JVM")
    parser.add_argument("--warehouse", default=None, help="keep the sample here")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    warehouse = arguments.warehouse or tempfile.mkdtemp(prefix="bench-")
    store = Store(warehouse)
    try:
        if arguments.what == "real":
            real(store, arguments)
        elif arguments.what == "day":
            profile_days.measure(store, arguments.rows, arguments.memory)
        else:
            profile_growth.measure(store, arguments.rows, arguments.memory)
    finally:
        if arguments.warehouse is None:
            shutil.rmtree(warehouse, ignore_errors=True)


if __name__ == "__main__":
    main()
