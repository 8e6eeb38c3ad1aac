"""moderate_reviews: nothing is lost or changed, findings have places, and a changed action computes nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.jobs.command_line import run_job

pytestmark = pytest.mark.usefixtures("ray_local")
LISTS = "engine=null"  # the model has tests of its own
TEXTS = {
    "fine": ("Lovely", "Fits well and looks great."),
    "rude": (None, "This f.u.c.k.i.n.g zip, call me at 555-234-5678"),
    "title": ("sh1t", "The lid does not close."),
    "insult": (None, "老板就是个傻 逼，加薇信 abcd8866"),
    "threat": (None, "I will burn your shop down"),
    "advert": (None, "兼职刷单，日赚三百，宝妈学生都可以"),
    "empty": ("Nice", " "),
    "nothing": (None, None),
}


def test_reviews_are_published_masked_or_held(store: Store) -> None:
    toy.put(store, [{"review_id": key, "product_id": "p", "title": a, "text": b} for key, (a, b) in TEXTS.items()])
    before = pl.read_delta(store.uri("reviews"))
    code, report, _ = run_job(store, "moderate_reviews", LISTS)
    assert (code, report["outcome"], report["rejects"]) == (0, "published", {"empty": 1})
    assert pl.read_delta(store.uri("reviews")).equals(before)
    rows = {row["review_id"]: row for row in pl.read_delta(store.uri("review_moderation")).to_dicts()}
    actions = {key: row["action"] for key, row in rows.items()}
    held = dict.fromkeys(("insult", "threat", "advert"), "hold")
    assert actions == {"fine": "publish", "empty": "publish", "rude": "mask", "title": "mask"} | held
    assert rows["rude"]["masked_text"] == "This [profanity] zip, [contact]" and rows["rude"]["masked_title"] is None
    assert (rows["title"]["masked_title"], rows["title"]["masked_text"]) == ("[profanity]", TEXTS["title"][1])
    assert all(row["masked_text"] is None for key, row in rows.items() if actions[key] != "mask")
    assert rows["insult"]["kinds"] == ["contact", "insult", "profanity"] and rows["fine"]["kinds"] == []
    said = [str(TEXTS["rude"][1])[found["start"] : found["end"]] for found in rows["rude"]["findings"]]
    assert said == ["f.u.c.k.i.n.g", "call me at 555-234-5678"]
    assert {found["column"] for found in rows["title"]["findings"]} == {"title"}
    assert report["highlights"]["hold"] == "3" and report["highlights"]["mask"] == "2"
    assert report["metrics"]["kinds"]["contact"] == 2
    page = (Path(store.root) / "_runs" / "moderate_reviews" / report["run_id"] / "report.html").read_text("utf-8")
    assert "What was found" in page and "[profanity] zip" in page and "555-234-5678" not in page

    code, second, _ = run_job(store, "moderate_reviews", LISTS)
    assert (code, second["outcome"], second["rows"]["computed"]) == (0, "nothing to do", 0)
    code, third, _ = run_job(store, "moderate_reviews", LISTS, "actions.insult=publish", "actions.advert=publish")
    assert (code, third["outcome"], third["rows"]["computed"]) == (0, "published", 0)
    changed = dict(pl.read_delta(store.uri("review_moderation")).select("review_id", "action").rows())
    assert changed == actions | {"insult": "mask", "advert": "publish"}
    kept = pl.read_delta(store.uri("review_moderation")).filter(review_id="insult")["masked_text"].item()
    assert "傻" not in kept and "abcd8866" not in kept and kept.startswith("老板就是个[profanity]")
