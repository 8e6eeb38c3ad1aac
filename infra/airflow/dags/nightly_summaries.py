"""Whenever the reviews have been analysed: review_aspects -> product_aspects and the page of what got worse.

If nothing has changed, there is nothing to do. Sentiments come from `nightly_users`; without them stars are all.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_summaries",
    description=__doc__.partition("\n")[0],
    schedule=[table("review_aspects")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="summarise_reviews",
        job="summarise_reviews",
        inlets=[
            *(table("review_aspects"), table("reviews"), table("products")),
            *(table("review_sentiment"), table("aspect_labels")),
        ],
        outlets=[table("product_aspects")],
    )
