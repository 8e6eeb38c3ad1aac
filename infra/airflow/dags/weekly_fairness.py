"""Every Sunday after the training: the bias of the live sentiment model, and the model of moderation.

An audit publishes what it finds and refuses nothing: the training jobs have the gates.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="weekly_fairness",
    description=__doc__.partition("\n")[0],
    schedule="0 5 * * 0",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="audit_bias",
        job="audit_bias",
        inlets=[table("models/sentiment"), table("user_profiles"), table("transactions")],
        outlets=[table("bias_audit")],
    )
    ShopbatchOperator(
        task_id="train_moderation",
        job="train_moderation",
        inlets=[table("reviews")],
        outlets=[table("models/moderation")],
    )
