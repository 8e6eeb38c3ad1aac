"""Every Sunday after the training: audit the live sentiment model for bias, and train the model for moderation.

The audit publishes its findings in `bias_audit` and refuses nothing: the gates against bias are in the training jobs.
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
