"""Every night: reviews -> review_aspects, what each review says, -> product_aspects and the page of what got worse.

It needs the model `aspects`, which weekly_training makes; the first one is made by hand, with the labels at hand.
Sentiments come from nightly_users; without them the summary has the stars alone.
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
    analyse = ShopbatchOperator(
        task_id="analyse_reviews",
        job="analyse_reviews",
        inlets=[table("reviews")],
        outlets=[table("review_aspects")],
    )
    summarise = ShopbatchOperator(
        task_id="summarise_reviews",
        job="summarise_reviews",
        inlets=[
            *(table("review_aspects"), table("reviews"), table("products")),
            *(table("review_sentiment"), table("aspect_labels")),
        ],
        outlets=[table("product_aspects")],
    )
    analyse >> summarise
