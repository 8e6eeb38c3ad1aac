"""A table whose keys an older version made from content is not appended to: rows would come again under new keys."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from shopbatch.core.errors import UserError
from shopbatch.load.loading import load_file
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


def test_keys_of_an_older_version_are_not_mixed_with_new_ones(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("text,rating\nWarm and soft.,5\n")
    old = REVIEWS.fill(1, review_id=pa.array(["0" * 31 + "a"]), text=pa.array(["Warm and soft."]))
    store.commit(REVIEWS, [store.write_file(REVIEWS, old, "old", 0)], "append", "old", {"loads": ["x"]})
    with pytest.raises(UserError, match=r"older version made from their content.*--replace"):
        load_file(store, "reviews", file)
    assert store.snapshot("reviews").rows == 1
    load_file(store, "reviews", file, mode="replace")
    other = tmp_path / "more.csv"
    other.write_text("text,rating\nToo short.,2\n")
    load_file(store, "reviews", other)
    assert store.snapshot("reviews").rows == 2


def test_a_table_with_ids_of_its_own_is_appended_to(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("text,rating\nWarm and soft.,5\n")
    old = REVIEWS.fill(1, review_id=pa.array(["r-1"]), text=pa.array(["Fine."]))
    store.commit(REVIEWS, [store.write_file(REVIEWS, old, "old", 0)], "append", "old", {"loads": ["x"]})
    load_file(store, "reviews", file)
    assert store.snapshot("reviews").rows == 2
