"""Every night: reviews -> review_aspects, what each review says about which aspect.

It needs the model `aspects`, which weekly_training makes; the first one is made by hand, with the labels at hand.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_insights",
    description=__doc__.partition("\n")[0],
    schedule="0 4 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="analyse_reviews",
        job="analyse_reviews",
        inlets=[table("reviews")],
        outlets=[table("review_aspects")],
    )
