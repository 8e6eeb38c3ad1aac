"""Every night: all tickets -> ticket_answers (answer, draft or escalate), by the policies and orders of the day.

The DAG frequent_support runs the same job every ten minutes for new tickets. This nightly run also recomputes old
tickets whose policies or orders have changed. Whichever of the two runs comes second computes only what is still
missing.
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
