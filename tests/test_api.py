"""shopbatch from Python: the same runs, tables and scores as on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import shopbatch as sb
from shopbatch.cli import main as cli
from shopbatch.warehouse.store import Store
from tests.capabilities.translation import dictionary
from tests.inference import toy

FAKE = {"kind": "fake"}


@pytest.fixture
def shop(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    rows = [{"review_id": f"r{i}", "text": f"text {i}", "language": "en"} for i in range(20)]
    toy.put(store, toy.reviews([*rows, {"review_id": "blank", "text": " "}]))
    return store


@pytest.mark.ray
def test_a_run_returns_its_report_and_the_table_is_read_with_any_library(
    ray_local: None, shop: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    report = sb.run("score_reviews", engine=FAKE, workers=1, limit=5)
    assert report.outcome in ("published", "incomplete") and report.rows.computed == 5
    assert sb.run("score_reviews", engine=FAKE, workers=1).rows.reused == 5
    assert capsys.readouterr() == ("", ""), "nothing is printed unless asked"
    view = sb.table("review_sentiment")
    frame = view.polars()
    assert frame.height == 20 and view.arrow(["label"]).num_rows == 20
    assert view.ray(["review_id"]).count() == 20
    assert sb.table("review_sentiment", version=view.version).version == view.version
    with pytest.raises(sb.GateRefused, match="reject"):
        sb.run("score_reviews", engine=FAKE, gates={"reject_share": -1.0, "min_rejects": 0}, limit=1)


@pytest.mark.spark
def test_a_table_is_a_spark_frame(spark: SparkSession, shop: Store) -> None:
    frame = sb.table("reviews").spark(spark)
    assert frame.count() == 21 and set(frame.columns) == set(sb.table("reviews").snapshot.schema.names)


def test_mistakes_are_raised(shop: Store) -> None:
    with pytest.raises(sb.UserError, match="did you mean 'limit'"):
        sb.run("score_reviews", limt=5)
    with pytest.raises(sb.UserError, match="did you mean 'score_reviews'"):
        sb.run("score_review")
    with pytest.raises(sb.UserError, match="did you mean 'reviews'"):
        sb.table("review")
    with pytest.raises(sb.UserError, match="does not compute row by row"):
        sb.score(["x"], "build_user_profiles")
    with pytest.raises(sb.UserError, match="no column 'txt'"):
        sb.score([{"txt": "x"}], engine=FAKE)
    with pytest.raises(sb.UserError, match=r"a row is not one of reviews: .*surrogates"):
        sb.score(["cut \ud83d"], engine=FAKE)
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = sb.scores  # type: ignore[attr-defined]


def test_a_score_is_what_a_run_publishes_in_the_order_given(shop: Store) -> None:
    texts = ["text 3", " ", "text 1"]
    results = sb.score(texts, engine=FAKE)
    assert [r.get("rejected") for r in results] == [None, "empty", None]
    assert [r["review_id"] for r in results] == ["1", "2", "3"]
    alone = sb.score(["text 1"], engine=FAKE)[0]
    assert {k: v for k, v in results[2].items() if k != "review_id"} == {
        k: v for k, v in alone.items() if k != "review_id"
    }
    assert sb.score([], engine=FAKE) == []
    assert not shop.exists("review_sentiment") and not shop.exists("score_reviews_memo"), "nothing is kept"


def test_copy_is_tried_too(shop: Store) -> None:
    row = {"title": "Linen shirt", "product_type": "Shirt", "attributes": {"Material": "linen"}}
    (copy,) = sb.score([row], "describe_products")
    assert "shirt" in copy["description"].lower() and copy["headline"]


def test_try_shows_texts_and_rows_of_a_file(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tried(*words: str) -> list[dict[str, Any]]:
        assert cli.main(["try", "score_reviews", "engine.kind=fake", "--json", *words]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [row["text"] for row in tried("a = b", "text 1")] == ["a = b", "text 1"]
    file = tmp_path / "export.csv"
    file.write_text("id;Review Text\n7;text 1\n8;text 2\n9;text 3\n", "cp1252")
    rows = tried("--file", str(file), "-n", "2")
    assert [(row["review_id"], row["text"]) for row in rows] == [("7", "text 1"), ("8", "text 2")]
    assert rows[0]["label"] == tried("text 1")[0]["label"]
    assert cli.main(["try", "score_reviews"]) == 2
    assert "give texts or a file" in capsys.readouterr().err


def test_try_reads_lists_and_maps_of_a_file(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "products.csv"
    file.write_text('Handle,Title,Vendor,Tags\nshirt,Linen shirt,Calla,"summer, men"\nmug,Mug,,\n', "utf-8")
    assert cli.main(["try", "describe_products", "--json", "--file", str(file)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["title"] for row in rows] == ["Linen shirt", "Mug"] and "Calla" in rows[0]["headline"]


def test_try_names_a_file_that_no_row_of_the_job_can_be_made_of(
    shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "products.csv"
    file.write_text("product_id,title\np1,Linen shirt\n", "utf-8")
    for words in (["write_ads", "--file", str(file)], ["embed_images", "a text"]):
        assert cli.main(["try", *words]) == 2
        err = capsys.readouterr().err
        assert len(err.strip().splitlines()) == 1 and f"job '{words[0]}'" in err


def test_try_translates_texts_and_products(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = {"It is a warm scarf for the winter.": "Es una bufanda para el invierno.", "Shirt": "Camisa"}
    engine = [*dictionary.install(tmp_path / "engine", lines), "encoder_model=null"]

    def tried(*words: str) -> list[dict[str, Any]]:
        assert cli.main(["try", "translate_products", "--json", *engine, *words]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    said, translation = next(iter(lines.items()))
    (row,) = tried(said)
    assert (row["text"], row["status"], row["translation"]) == (said, "translated", translation)
    file = tmp_path / "products.csv"
    file.write_text("product_id,title,description,language\np1,Shirt,,en\np2,Camisa,,es\n", "utf-8")
    rows = tried("--file", str(file))
    assert [(row["text_id"], row["translation"]) for row in rows] == [("title:p1", "Camisa"), ("title:p2", "Camisa")]
    file.write_text("product_id,price\np1,3\n", "utf-8")
    assert cli.main(["try", "translate_products", *engine, "--file", str(file)]) == 2
    assert "no row holds a text" in capsys.readouterr().err


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, shopbatch; print(*sorted({'ray', 'pyarrow', 'torch', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
