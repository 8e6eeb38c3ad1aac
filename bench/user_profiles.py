"""Measure the job build_user_profiles: beside other tools, its growth with the data, and the cost of a new day.

    python -m bench.user_profiles real --rounds 5          the whole job (tiles and one day) beside DuckDB, Polars,
                                                           plain PySpark and a pandas UDF
    python -m bench.user_profiles day --rows 20000000      updating the tiles for a new day, against a rebuild of all
    python -m bench.user_profiles growth --rows 10000000   time per line, tiles, profiles, peak memory, spilled bytes

Tiles are daily sums per user. --warehouse keeps the sample, so that a second call does not have to generate it again.
Tables that an earlier run of the job made are removed first.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from bench import pandas_profiles, plain_profiles, profile_days, profile_growth
from bench.pandas_profiles import compared
from bench.profile_tools import build, fresh, java_pid, peak_mb
from bench.side_by_side import Side, alternate, benchmark, record

from shopbatch import sample
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.tables.user_profiles import FEATURES, USER_PROFILES
from shopbatch.warehouse.store import Store

SOURCES = ("transactions", "products", "users", "campaigns", "coupons", "redemptions")
AS_OF = date(2018, 1, 1)


def uris(store: Store, name: str) -> list[str]:
    """Return the addresses of the Parquet files of the table `name`."""
    return [f.uri for f in store.snapshot(name).files]


def duck(store: Store) -> pa.Table:
    """Compute all features in DuckDB on all cores, by the SQL that the tests compare the job with; it writes no table.

    Returns:
        One row per user.
    """
    from tests.capabilities.profiles import oracle

    con = duckdb.connect()
    for name in SOURCES:
        if files := uris(store, name):
            con.execute(f"create view {name} as select * from read_parquet({files})")
        else:
            con.register(name, store.snapshot(name).schema.empty_table())
    features = oracle.profiles(con, AS_OF)
    con.close()
    return features


def real(store: Store, arguments: argparse.Namespace, argv: Sequence[str] | None) -> None:
    """Measure the job on the real sample beside DuckDB (all features) and other tools (fewer features), and record it.

    Args:
        store: The warehouse, which is filled with the sample.
        arguments: The parsed command line.
        argv: The arguments of the command line, for the record.
    """
    sample.fill_real(store, arguments.reviews)
    lines = store.snapshot("transactions").rows
    print(f"real sample: {lines:,} transaction lines, as_of {AS_OF}")
    files = {n: uris(store, n) for n in ("transactions", "products")}
    with spark_session(Platform(spark=Spark(memory=arguments.memory))) as spark:
        peers = {
            "DuckDB": lambda: duck(store),
            "Polars": lambda: plain_profiles.by_polars(files, AS_OF),
            "plain PySpark": lambda: plain_profiles.by_spark(spark, files, AS_OF),
            "pandas UDF": lambda: pandas_profiles.profiles(spark, files, AS_OF),
        }
        if not arguments.pandas:
            del peers["pandas UDF"]
        job = Side("job", lambda: build(spark, store, as_of=AS_OF)[1], ours=True, before=lambda: fresh(store))
        taken = alternate([job, *(Side(name, run) for name, run in peers.items())], arguments.rounds, arguments.warm)
        java = round(peak_mb(java_pid(spark)))
    live = store.snapshot(USER_PROFILES.name).read()
    names = {"Polars": plain_profiles.NAMES, "plain PySpark": plain_profiles.NAMES, "pandas UDF": pandas_profiles.NAMES}
    more = {
        "agreement": {p: compared(taken[p].returned, live, names[p]) for p in peers if p in names},
        "not_run": {},
        "notes": {
            "stages of the last round": {n: round(s.seconds, 2) for n, s in taken["job"].returned.stages.items()},
            "features": {"job": len(FEATURES), "DuckDB": len(FEATURES)} | {n: len(names[n]) for n in names},
            "JVM, peak MB": java,
        },
    }
    record("user_profiles", "lines", lines, taken, arguments.json, argv, **more)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the mode that the command line names: real, day or growth."""
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
    parser.add_argument("--json", type=Path, default=None, help="real: where the figures go")
    arguments = parser.parse_args(argv)
    warehouse = arguments.warehouse or tempfile.mkdtemp(prefix="bench-")
    store = Store(warehouse)
    try:
        if arguments.what == "real":
            real(store, arguments, argv)
        elif arguments.what == "day":
            profile_days.measure(store, arguments.rows, arguments.memory)
        else:
            profile_growth.measure(store, arguments.rows, arguments.memory)
    finally:
        if arguments.warehouse is None:
            shutil.rmtree(warehouse, ignore_errors=True)


if __name__ == "__main__":
    main()
