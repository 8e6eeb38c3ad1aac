"""Test that all DAGs import without the jobs' packages, and that nightly_users runs real jobs on Ray and Spark."""

from __future__ import annotations

import json
import sys

import pytest
from shop import DAGS, Shop, run

DAY = "2017-07-01"

pytestmark = pytest.mark.timeout(1800)


def test_every_dag_imports_and_none_needs_a_heavy_package(airflow_env: dict[str, str]) -> None:
    """Import all DAGs: no error, no warning, no package of the jobs, and exactly the expected tasks and outlets."""
    code = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(dag_folder=sys.argv[1], bundle_path=Path(sys.argv[1]), bundle_name="dags-folder")
heavy = sorted({"ray", "torch", "pyspark", "pyarrow", "deltalake", "shopbatch"} & set(sys.modules))
dags = {name: sorted(dag.task_ids) for name, dag in bag.dags.items()}
outlets = sorted({o.name for d in bag.dags.values() for t in d.tasks for o in t.outlets})
print(json.dumps([bag.import_errors, bag.captured_warnings, heavy, dags, outlets]))
"""
    done = run([sys.executable, "-c", code, str(DAGS)], airflow_env)
    assert done.returncode == 0, done.stderr[-2000:]
    errors, warnings, heavy, dags, outlets = json.loads(done.stdout.splitlines()[-1])
    assert (errors, warnings, heavy) == ({}, {}, [])
    assert dags == {
        "campaign_copy": ["write_ads"],
        "campaigns": ["measure_campaigns", "plan_campaigns", "train_uplift"],
        "frequent_support": ["answer_tickets"],
        "nightly_catalogue": ["describe_products", "embed_products"],
        "nightly_growth": ["choose_inviters", "measure_growth"],
        "nightly_images": ["classify_images", "embed_images", "find_similar_images"],
        "nightly_insights": ["analyse_reviews", "summarise_reviews"],
        "nightly_marketing": ["score_users", "segment_users"],
        "nightly_recommendations": ["build_user_sequences", "recommend_products"],
        "nightly_support": ["answer_tickets"],
        "nightly_translations": ["translate_products", "translate_replies"],
        "nightly_users": ["build_user_profiles", "moderate_reviews", "score_reviews"],
        "search_clicks": ["judge_by_clicks"],
        "search_training": ["finetune_retriever"],
        "sentiment_student": ["distil_encoder"],
        "weekly_fairness": ["audit_bias", "train_moderation"],
        "weekly_images": ["train_image_classifier"],
        "weekly_propensity": ["train_propensity"],
        "weekly_training": ["train_aspects", "train_intents", "train_recommender", "train_sentiment_head"],
    }
    assert outlets == [
        "ads",
        "bias_audit",
        *("campaign_effects", "campaign_plan", "cascades", "growth_cohorts", "growth_forecast"),
        "image_vectors",
        "inviter_plan",
        *(f"models/{name}" for name in ("aspects", "image-classifier", "intents", "moderation", "propensity")),
        *(f"models/{name}" for name in ("recommender", "search-encoder")),
        *(f"models/{name}" for name in ("sentiment", "sentiment-student", "uplift")),
        *("product_aspects", "product_descriptions", "product_embeddings", "product_image_labels"),
        *("product_neighbours", "product_translations", "recommendations", "reply_translations"),
        *("review_aspects", "review_moderation", "review_sentiment", "search_judgements", "similar_images"),
        *("ticket_answers", "user_profiles"),
        *("user_scores", "user_segments", "user_sequences"),
    ]


def test_nightly_users_runs_the_real_jobs_once_and_leaves_their_tables(shop: Shop) -> None:
    """Run the DAG nightly_users twice for one day: the first run publishes its tables, the second one starts no job."""
    trained = shop.shopbatch("run", "train_sentiment_head", "--env", "local")
    assert trained.returncode == 0, trained.stderr[-2000:]
    done = shop.airflow("dags", "test", "nightly_users", DAY)
    output = done.stdout + done.stderr
    assert done.returncode == 0 and output.count("submitted: ") == 3, output[-3000:]
    assert len(shop.rows("review_sentiment")) == 5
    assert {row["as_of"] for row in shop.rows("user_profiles")} == {DAY}
    before = {job: shop.runs(job) for job in ("score_reviews", "build_user_profiles")}
    assert before == {"score_reviews": 1, "build_user_profiles": 1}
    second = shop.airflow("dags", "test", "nightly_users", DAY)
    output = second.stdout + second.stderr
    assert second.returncode == 0 and output.count("done already: ") == 3, output[-3000:]
    assert {job: shop.runs(job) for job in before} == before
