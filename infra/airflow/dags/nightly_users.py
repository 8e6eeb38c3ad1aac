"""Every night: reviews -> review_sentiment and review_moderation, then all data about users -> user_profiles.

Backfill: `airflow backfill create --dag-id nightly_users --from-date ... --to-date ...`. The logical date is the day
for which the profiles are computed (`as_of`), and it is part of the run key.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

DAY = "{{ (dag_run.logical_date or dag_run.run_after).strftime('%Y-%m-%d') }}"

with DAG(
    dag_id="nightly_users",
    description=__doc__.partition("\n")[0],
    schedule="0 3 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    sentiment = ShopbatchOperator(
        task_id="score_reviews", job="score_reviews", inlets=[table("reviews")], outlets=[table("review_sentiment")]
    )
    ShopbatchOperator(
        task_id="moderate_reviews",
        job="moderate_reviews",
        inlets=[table("reviews")],
        outlets=[table("review_moderation")],
    )
    profiles = ShopbatchOperator(
        task_id="build_user_profiles",
        job="build_user_profiles",
        overrides=[f"as_of={DAY}"],
        inlets=[table("transactions"), table("review_sentiment")],
        outlets=[table("user_profiles")],
    )
    sentiment >> profiles
