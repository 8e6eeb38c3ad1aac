"""The examples of a report: every language and label, wherever in the table they are."""

from __future__ import annotations

from collections import Counter

from shopbatch.inference.samples import MAX_TEXT, MOST, sample_rows
from shopbatch.warehouse.store import Store
from tests.capabilities.sentiment.test_merchant import publish, review
from tests.inference import toy


def samples(store: Store) -> list[dict[str, object]]:
    return sample_rows(toy.spec(), store.snapshot("reviews"), store.snapshot("review_sentiment"))


def test_rare_languages_and_labels_are_shown_by_the_size_of_the_language(store: Store) -> None:
    rows = [review("p1", "positive") for _ in range(21_000)]
    rows += [
        review("p1", "negative"),
        review("p1", "neutral", language="zh"),
        *[review("p", "negative", language="zh")] * 4,
    ]
    publish(store, rows)
    shown = [(row["language"], row["label"]) for row in samples(store)]
    assert shown == [
        ("en", "negative"),
        *[("en", "positive")] * 2,
        *[("zh", "negative")] * 2,
        ("zh", "neutral"),
    ]
    assert samples(store) == samples(store)


def test_very_many_groups_are_shown_once_each(store: Store) -> None:
    publish(store, [review("p", "positive", language=f"l{i % 60:02d}") for i in range(240)])
    counts = Counter(row["language"] for row in samples(store))
    assert len(counts) == MOST and set(counts.values()) == {1}


def test_a_long_text_is_masked_before_it_is_cut(store: Store) -> None:
    publish(store, [review("p", "positive", "x" * (MAX_TEXT - 7) + " 13812345678 " + "y" * 50)])
    (row,) = samples(store)
    assert str(row["text"]).startswith("xxx") and "138" not in str(row["text"])


def test_a_row_whose_text_has_changed_since_is_not_shown(store: Store) -> None:
    publish(store, [review("p", "positive", "old"), review("p", "negative", "same")])
    toy.put(store, [{"review_id": "r00000", "text": "new"}, {"review_id": "r00001", "text": "same"}])
    assert [row["review_id"] for row in samples(store)] == ["r00001"]
