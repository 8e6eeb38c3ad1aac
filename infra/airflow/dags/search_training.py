"""Whenever judgements are loaded: train the search encoder on them -> model `search-encoder`, if search gets better.

The task that loads `judgements` must have `table("judgements")` among its outlets. The DAG nightly_catalogue uses the
new model if `conf/` sets `encoder: search-encoder@live` for embed_products.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="search_training",
    description=__doc__.partition("\n")[0],
    schedule=[table("judgements")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="finetune_retriever",
        job="finetune_retriever",
        inlets=[table("judgements"), table("product_embeddings")],
        outlets=[table("models/search-encoder")],
    )
