"""Whenever pictures are loaded: embed and classify them, and find similar ones; every Sunday: train the classifier.

The DAG nightly_images has no fixed time. The task that loads `product_images` must have `table("product_images")` among
its outlets. The DAG weekly_images trains the classifier; run it once before the first run of nightly_images.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG
from shopbatch_operator import ShopbatchOperator, table

_USUAL = {"retries": 2, "retry_delay": timedelta(minutes=5)}

with DAG(
    dag_id="nightly_images",
    description=__doc__.partition("\n")[0],
    schedule=[table("product_images")],
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=_USUAL,
    tags=["shopbatch"],
) as nightly:
    embed = ShopbatchOperator(
        task_id="embed_images",
        job="embed_images",
        inlets=[table("product_images")],
        outlets=[table("image_vectors")],
    )
    classify = ShopbatchOperator(
        task_id="classify_images",
        job="classify_images",
        inlets=[table("image_vectors"), table("products"), table("models/image-classifier")],
        outlets=[table("product_image_labels")],
    )
    similar = ShopbatchOperator(
        task_id="find_similar_images",
        job="find_similar_images",
        inlets=[table("image_vectors"), table("product_images")],
        outlets=[table("similar_images")],
    )
    embed >> [classify, similar]

with DAG(
    dag_id="weekly_images",
    description="Every Sunday: the classifier of pictures, from the catalogue's own classes.",
    schedule="0 4 * * 0",
    start_date=datetime(2017, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=_USUAL,
    tags=["shopbatch"],
) as weekly:
    ShopbatchOperator(
        task_id="train_image_classifier",
        job="train_image_classifier",
        inlets=[table("image_vectors"), table("product_images"), table("products")],
        outlets=[table("models/image-classifier")],
    )
