"""Every morning before the campaigns go out: products and offers -> ads, for the day on which they are sent.

A run has nothing to do if neither products nor offers have changed and no offer has begun or ended since the last run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

DAY = "{{ (dag_run.logical_date or dag_run.run_after).strftime('%Y-%m-%d') }}"

with DAG(
    dag_id="campaign_copy",
    description=__doc__.partition("\n")[0],
    schedule="0 5 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="write_ads",
        job="write_ads",
        overrides=[f"send_on={DAY}"],
        inlets=[table("products"), table("offers")],
        outlets=[table("ads")],
    )
