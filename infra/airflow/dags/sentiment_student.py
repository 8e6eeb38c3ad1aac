"""Whenever a model `sentiment` is published: distil it into a smaller model -> `sentiment-student`, if good enough.

The student has fewer layers and learns from the published model. The DAG nightly_users uses it if `conf/` sets `model:
sentiment-student@live` for score_reviews.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="sentiment_student",
    description=__doc__.partition("\n")[0],
    schedule=[table("models/sentiment")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="distil_encoder",
        job="distil_encoder",
        inlets=[table("reviews"), table("models/sentiment")],
        outlets=[table("models/sentiment-student")],
    )
