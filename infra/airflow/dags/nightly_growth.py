"""Every night: referral_events -> growth tables and forecast; once a month: the users to ask for invitations.

choose_inviters makes one plan a month, on the first run of the month, and never changes it: on all other nights it has
nothing to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_growth",
    description=__doc__.partition("\n")[0],
    schedule="30 4 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="measure_growth",
        job="measure_growth",
        inlets=[table("referral_events"), table("transactions")],
        outlets=[table("growth_cohorts"), table("cascades"), table("growth_forecast")],
    )
    ShopbatchOperator(
        task_id="choose_inviters",
        job="choose_inviters",
        inlets=[table("referral_events"), table("users"), table("user_scores")],
        outlets=[table("inviter_plan")],
    )
