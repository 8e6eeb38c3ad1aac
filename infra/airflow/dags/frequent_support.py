"""Every ten minutes: the tickets that have come in -> answers, drafts and handovers.

A run that comes while that of the night is at work waits for it, and then has only the news to do.
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
