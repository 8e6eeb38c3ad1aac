"""Every night: tickets -> answers, drafts and handovers, with the policies and orders of the day.

`frequent_support` does the same every ten minutes for what has come in; the night takes up changed policies and orders
for all tickets. Both run one command, and whichever comes second has only the news to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_support",
    description=__doc__.partition("\n")[0],
    schedule="30 2 * * *",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="answer_tickets",
        job="answer_tickets",
        inlets=[table("tickets"), table("policies"), table("orders"), table("models/intents")],
        outlets=[table("ticket_answers")],
    )
