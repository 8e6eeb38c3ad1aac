"""Every night, after the profiles: user_sequences -> recommendations, by the live model.

Only users whose sequence has changed are computed. After the DAG weekly_training has trained a new model, the next
night computes all users.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

with DAG(
    dag_id="nightly_recommendations",
    description=__doc__.partition("\n")[0],
    schedule=[table("user_profiles")],  # build_user_profiles also makes the tiles
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["shopbatch"],
) as dag:
    sequences = ShopbatchOperator(
        task_id="build_user_sequences",
        job="build_user_sequences",
        inlets=[table("user_product_daily")],
        outlets=[table("user_sequences")],
    )
    lists = ShopbatchOperator(
        task_id="recommend_products",
        job="recommend_products",
        overrides=["gates.accept_recipe=any"],  # a new model has already passed gates in training
        inlets=[table("user_sequences"), table("products"), table("models/recommender")],
        outlets=[table("recommendations")],
    )
    sequences >> lists
