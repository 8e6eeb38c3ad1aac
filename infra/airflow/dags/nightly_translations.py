"""Every night: new and changed product texts and replies to tickets -> product_translations and reply_translations."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_translations",
    description=__doc__.partition("\n")[0],
    schedule="0 4 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="translate_products",
        job="translate_products",
        inlets=[table("products"), table("product_descriptions"), table("ads")],
        outlets=[table("product_translations")],
    )
    ShopbatchOperator(
        task_id="translate_replies",
        job="translate_replies",
        inlets=[table("ticket_answers")],
        outlets=[table("reply_translations")],
    )
