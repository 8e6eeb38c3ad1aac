"""Every ten minutes: new tickets -> ticket_answers (answer, draft or escalate).

A run that starts while the run of the DAG nightly_support is working waits for it, and then computes only tickets that
are still missing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="frequent_support",
    description=__doc__.partition("\n")[0],
    schedule=timedelta(minutes=10),
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 0},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="answer_tickets",
        job="answer_tickets",
        inlets=[table("tickets"), table("policies"), table("orders"), table("models/intents")],
        outlets=[table("ticket_answers")],
    )
