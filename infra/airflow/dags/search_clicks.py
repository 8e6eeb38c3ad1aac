"""Whenever search events are loaded: estimate relevance from clicks, corrected for list positions -> search_judgements.

The task that loads `search_events` must have `table("search_events")` among its outlets. A gate refuses the run if the
products never changed their positions in the lists; the published judgements then stay as they were.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="search_clicks",
    description=__doc__.partition("\n")[0],
    schedule=[table("search_events")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="judge_by_clicks",
        job="judge_by_clicks",
        inlets=[table("search_events")],
        outlets=[table("search_judgements")],
    )
