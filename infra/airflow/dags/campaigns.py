"""Every morning: measure experiments and past plans -> campaign_effects, and plan today's campaigns -> campaign_plan.

The DAG needs the daily tiles (one row per user and active day) that the DAG nightly_users makes. Where no users were
assigned at random, measure_campaigns and train_uplift refuse (exit code 3) and say why; plan_campaigns then uses the
live uplift model. Nothing is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="campaigns",
    description=__doc__.partition("\n")[0],
    schedule="0 6 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    drawn = [table("experiments"), table("campaign_plan"), table("campaigns"), table("user_daily")]
    measure = ShopbatchOperator(
        task_id="measure_campaigns", job="measure_campaigns", inlets=drawn, outlets=[table("campaign_effects")]
    )
    train = ShopbatchOperator(
        task_id="train_uplift", job="train_uplift", inlets=drawn, outlets=[table("models/uplift")]
    )
    plan = ShopbatchOperator(
        task_id="plan_campaigns",
        job="plan_campaigns",
        inlets=[table("users"), table("user_daily"), table("campaigns"), table("models/uplift")],
        outlets=[table("campaign_plan")],
        trigger_rule="all_done",
    )
    measure >> plan
    train >> plan
