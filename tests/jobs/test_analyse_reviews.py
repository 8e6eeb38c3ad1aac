"""analyse_reviews as a user runs it, with the fake engine: places are verbatim, only what changed is computed."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.jobs.command_line import messages, run_job

pytestmark = pytest.mark.usefixtures("ray_local")
ROWS: list[dict[str, Any]] = [
    {"review_id": "en", "title": "Runs small", "text": "😀 Lovely colour! I wish it had pockets.", "rating": 4},
    {"review_id": "zh", "text": "早餐很好，但是房间太小。", "user_id": "u1", "product_id": "p1"},
    {"review_id": "copy", "text": "Lovely colour!", "language": "de"},
    {"review_id": "silent", "title": "title alone", "text": "  "},
    {"review_id": "mark", "text": "?!"},
    {"review_id": "broken", "text": b"caf\xe9 \xff"},
    {"review_id": "long", "text": "soft " * 30_000},
]


def run(store: Store, *arguments: str) -> tuple[int, dict[str, Any], str]:
    return run_job(store, "analyse_reviews", "engine={kind: fake}", "gates.reject_share=0.5", *arguments)


def verbatim(place: dict[str, Any], review: str) -> str:
    row = next(row for row in ROWS if row["review_id"] == review)
    return str(row[place["column"]][place["start"] : place["end"]])


def test_aspects_are_published_with_their_places(store: Store) -> None:
    toy.put(store, toy.reviews(ROWS))
    code, report, err = run(store)
    assert code == 0, err
    assert report["rows"]["published"] == 3 and report["rejects"] == {"empty": 2, "invalid_utf8": 1, "too_long": 1}
    rows = {r["review_id"]: r for r in pl.read_delta(store.uri("review_aspects")).to_dicts()}
    assert {name: row["language"] for name, row in rows.items()} == {"en": "en", "zh": "zh", "copy": "de"}
    assert (rows["zh"]["user_id"], rows["zh"]["product_id"], rows["en"]["rating"]) == ("u1", "p1", 4)
    for name, row in rows.items():
        places = [*row["aspects"], *row["remarks"], *row["other"]]
        assert places and all(any(c.isalnum() for c in verbatim(place, name)) for place in places)
        assert len({a["aspect"] for a in row["aspects"]}) == len(row["aspects"])
    wish = rows["en"]["remarks"][0]
    assert (wish["kind"], verbatim(wish, "en")) == ("wish", "I wish it had pockets.")
    code, again, _ = run(store)
    assert (code, again["outcome"], again["rows"]["computed"]) == (0, "nothing to do", 0)

    toy.put(store, toy.reviews([*ROWS, {"review_id": "new", "text": "The fabric is thin."}]))
    code, third, err = run(store)
    assert (code, third["rows"]["computed"], third["rows"]["published"]) == (0, 1, 4), err


def test_one_taxonomy_may_be_named(store: Store) -> None:
    toy.put(store, toy.reviews(ROWS[:3]))
    code, _, err = run(store, "taxonomies=[hotels]")
    assert code == 0, err
    rows = {r["review_id"]: r for r in pl.read_delta(store.uri("review_aspects")).to_dicts()}
    assert {row["taxonomy"] for row in rows.values()} == {"hotels"}
    place = {a["aspect"]: verbatim(a, "zh") for a in rows["zh"]["aspects"]}
    assert place == {"room": "但是房间太小。", "food": "早餐很好"}


def test_mistakes(store: Store) -> None:
    toy.put(store, toy.reviews(ROWS[:2]))
    code, _, err = run(store, "taxonomies=[hotel]")
    assert (code, "hotels" in err, len(messages(err))) == (2, True, 1)
    code, _, err = run_job(store, "analyse_reviews")
    assert (code, "train_aspects" in err, len(messages(err))) == (2, True, 1)
