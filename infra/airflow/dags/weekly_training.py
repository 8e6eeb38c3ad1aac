"""Every Sunday: the models `sentiment`, `aspects`, `recommender` and `intents`, each published if it passes its gates.

The next nightly run uses the new models. For reviews it does so only if `gates.accept_recipe` and `budget.max_rows`
allow it, because a new model means that all reviews are computed again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="weekly_training",
    description=__doc__.partition("\n")[0],
    schedule="0 1 * * 0",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    ShopbatchOperator(
        task_id="train_sentiment_head",
        job="train_sentiment_head",
        inlets=[table("reviews")],
        outlets=[table("models/sentiment")],
    )
    ShopbatchOperator(
        task_id="train_aspects",
        job="train_aspects",
        inlets=[table("reviews"), table("aspect_labels")],
        outlets=[table("models/aspects")],
    )
    ShopbatchOperator(
        task_id="train_recommender",
        job="train_recommender",
        inlets=[table("user_sequences")],
        outlets=[table("models/recommender"), table("product_neighbours")],
    )
    ShopbatchOperator(
        task_id="train_intents",
        job="train_intents",
        inlets=[table("support_dialogs"), table("intent_examples"), table("tickets"), table("ticket_feedback")],
        outlets=[table("models/intents")],
    )
