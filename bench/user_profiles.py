"""build_user_profiles beside its plain SQL definition in DuckDB and a pandas UDF, and against itself: growth, new days.

Run: python bench/user_profiles.py real --rounds 5              whole job (tiles and one day) beside DuckDB and pandas
     python bench/user_profiles.py day --rows 20000000          tiles of a new day beside all tiles built anew
     python bench/user_profiles.py growth --rows 10000000       time per line, tiles, profiles, peak memory, spill

--warehouse keeps the sample, so that a second call need not make it again; what the job makes there is removed first.
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
PANDAS_ROUNDS = 2  # at most: it is slow


def uris(store: Store, name: str) -> list[str]:
    """The files of a table."""
    return [f.uri for f in store.snapshot(name).files]


def duck(store: Store) -> tuple[float, int]:
    """Seconds of the plain SQL, and users. It writes no table."""
    from tests.capabilities.profiles import oracle

    start = time.perf_counter()
    con = duckdb.connect()
    for name in SOURCES:
        con.execute(f"create view {name} as select * from read_parquet({uris(store, name)})")
    users = oracle.profiles(con, AS_OF).num_rows
    con.close()
    return time.perf_counter() - start, users


def pandas(spark: SparkSession, store: Store) -> tuple[float, pa.Table]:
    """Seconds of the pandas UDF, and its profiles. It writes no table, and has fewer features."""
    start = time.perf_counter()
    found = pandas_profiles.profiles(spark, {n: uris(store, n) for n in ("transactions", "products")}, AS_OF)
    return time.perf_counter() - start, found


def real(store: Store, arguments: argparse.Namespace) -> None:
    """The whole job on the real sample, and the same features by DuckDB, in turn; then some of them by a pandas UDF."""
    sample.fill_real(store, arguments.reviews)
    print(f"real sample: {store.snapshot('transactions').rows:,} transaction lines, as_of {AS_OF}")
    ours, plain, slow = [], [], []
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
                plain.append(other)
        for number in range(min(arguments.rounds, PANDAS_ROUNDS) + 1 if arguments.pandas else 0):
            seconds, found = pandas(spark, store)
            note = "warm-up" if number == 0 else f"round {number}"
            print(f"{note}: pandas UDF {seconds:.2f} s ({found.num_rows:,} users)", flush=True)
            if number:
                slow.append(seconds)
        if arguments.pandas:
            print(pandas_profiles.compared(found, store.snapshot(USER_PROFILES.name).read()))
    mine = statistics.median(ours)
    ratio = statistics.median(o / p for o, p in zip(ours, plain, strict=True))
    print(f"medians: ours {mine:.2f} s, DuckDB {statistics.median(plain):.2f} s, ours / DuckDB {ratio:.2f}")
    if slow:
        middle = statistics.median(slow)
        print(
            f"pandas UDF {middle:.2f} s for {len(pandas_profiles.NAMES)} features, without tiles and publishing; "
            f"pandas / ours {middle / mine:.1f}"
        )


def main() -> None:
    """Parse the command line and run one mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("real", "day", "growth"))
    parser.add_argument("--rows", type=int, default=2_000_000, help="day, growth: transaction lines")
    parser.add_argument("--rounds", type=int, default=5, help="real: rounds that count")
    parser.add_argument("--warm", type=int, default=3, help="real: rounds before them")
    parser.add_argument("--reviews", type=int, default=None, help="real: so many reviews, ten times as many lines")
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
