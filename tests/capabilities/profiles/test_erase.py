"""After a user was erased, the next build gives the tiles and profiles of everybody else, as if from scratch."""

from __future__ import annotations

from pyspark.sql import SparkSession

from shopbatch.erasure.erase import erase
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.conftest import AS_OF, FIRST_DAY
from tests.capabilities.profiles.shop import content, expected_profiles, line, profiles, put, run
from tests.capabilities.profiles.test_incremental import assert_as_rebuilt


def test_the_next_build_knows_everybody_else(spark: SparkSession, first_day: Store) -> None:
    # the erased user's line replaced that of another one, who comes back into the tiles
    padded = line("b2", user="\u00a0u1 ", ingested_at=line("b2", day="2024-03-18")["transaction_at"])
    put(first_day, TRANSACTIONS, [padded, line("b9", user="u3", day="2024-03-19")])
    run(spark, first_day, as_of=FIRST_DAY)
    stood = [n for n in first_day.names() if "u1" in {str(v).strip() for row in content(first_day, n) for v in row}]
    assert {"transactions", "users", "user_daily", "user_product_daily", "user_profiles"} <= set(stood)
    others = [row for row in content(first_day, "user_profiles") if "u1" not in row]
    done = erase(first_day, {"u1"}, set(), {})
    assert done.tables["transactions"] == 2
    for name in first_day.names():
        assert "u1" not in {str(v).strip() for row in content(first_day, name) for v in row}, name
    assert content(first_day, "user_profiles") == others, "a published day stays for everybody else"
    report = run(spark, first_day, as_of=AS_OF)
    assert report.outcome == "published" and "others" not in report.message
    assert differences(profiles(first_day, AS_OF), expected_profiles(first_day, AS_OF)) == {}
    assert profiles(first_day, AS_OF)["user_id"].to_pylist() == ["u0", "u2", "u3"]
    assert_as_rebuilt(spark, first_day)
    assert run(spark, first_day, as_of=AS_OF).outcome == "nothing to do"
