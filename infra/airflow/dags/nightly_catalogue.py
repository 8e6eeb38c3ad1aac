"""Whenever the catalogue is loaded: new and changed products -> product_descriptions and the search index.

The DAG has no fixed time. The task that loads `products` must have `table("products")` among its outlets.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_catalogue",
    description=__doc__.partition("\n")[0],
    schedule=[table("products")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="describe_products",
        job="describe_products",
        inlets=[table("products")],
        outlets=[table("product_descriptions")],
    )
    ShopbatchOperator(
        task_id="embed_products",
        job="embed_products",
        inlets=[table("products")],
        outlets=[table("product_embeddings")],
    )
