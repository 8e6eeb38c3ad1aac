"""Every night: reviews -> review_aspects (aspects of each review) -> product_aspects and the page for the merchant.

The DAG needs the model `aspects`. The DAG weekly_training retrains it; train the first one by hand (`shopbatch run
train_aspects`), after loading the table `aspect_labels`. The sentiments of reviews come from the DAG nightly_users;
without them, `summarise_reviews` measures satisfaction by the stars alone.
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
