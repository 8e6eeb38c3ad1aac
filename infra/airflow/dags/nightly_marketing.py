"""Every night, after the profiles: user_profiles -> user_segments and user_scores; every Sunday: train `propensity`.

The second DAG of this file, weekly_propensity, trains the model `propensity`. Train the first one by hand (`shopbatch
run train_propensity`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_marketing",
    description=__doc__.partition("\n")[0],
    schedule=[table("user_profiles")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as nightly:
    ShopbatchOperator(
        task_id="segment_users",
        job="segment_users",
        inlets=[table("user_profiles")],
        outlets=[table("user_segments")],
    )
    ShopbatchOperator(
        task_id="score_users",
        job="score_users",
        inlets=[table("user_daily"), table("user_profiles"), table("models/propensity")],
        outlets=[table("user_scores")],
    )

with DAG(
    dag_id="weekly_propensity",
    description="Every Sunday: the active days of users -> the model `propensity`, if it passes its gates.",
    schedule="0 2 * * 0",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as weekly:
    ShopbatchOperator(
        task_id="train_propensity",
        job="train_propensity",
        inlets=[table("user_daily")],
        outlets=[table("models/propensity")],
    )
