"""The examples of a report: every language and label, wherever in the table they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.inference.samples import MAX_TEXT, MOST, sample_rows
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
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


def test_reading_ends_once_every_language_and_label_has_its_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [review("p", "positive", f"text {i}") for i in range(60)]
    rows[13] |= {"label": "neutral"}
    rows[27] |= {"language": "zh"}
    publish(store, rows)
    shown, scored = samples(store), store.snapshot("review_sentiment").read()
    assert len(shown) == 4
    read: set[tuple[str, int]] = set()
    original = files.read

    def noted(uri: str, schema: pa.Schema, partition: object = None, row_groups: Sequence[int] = ()) -> pa.Table:
        read.update(("review_sentiment" in uri, group) for group in row_groups)
        return original(uri, schema, None, row_groups)

    true = {"en": {"positive": 58, "neutral": 1}, "zh": {"positive": 1}}
    small_ones = {"other": {"positive": 60}}  # groups are counted together
    of_less = {"en": {"positive": 58}}  # another program has added rows
    for number, (mix, last) in enumerate(((true, 2), (small_ones, 5), (of_less, 5), ({}, 5))):
        small = Store(f"{store.root}-{number}")
        put_small(small, REVIEWS, store.snapshot("reviews").read(), {})
        put_small(small, REVIEW_SENTIMENT, scored, {"mix": mix})
        with monkeypatch.context() as patch:
            patch.setattr(files, "read", noted)
            read.clear()
            listed = samples(small)
        assert max(group for ours, group in read if ours) == last
        assert max(group for ours, group in read if not ours) == 2  # the source's rows are in the same order
        assert listed == shown


def put_small(store: Store, table: Table, rows: pa.Table, metadata: dict[str, Any]) -> None:
    """Fill a table with row groups of ten rows."""
    root, path = store.uri(table.name), "run/part.parquet"
    files.write(f"{root}/{path}", rows.select(table.file_schema().names).cast(table.file_schema()), 10)
    store.commit(table, [files.describe(root, path, table.file_schema())], "replace", "run", metadata)
