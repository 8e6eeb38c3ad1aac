"""The index and the look-up, called where they stand: what only a forged hash could bring about."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.core.hashing import quick_hash
from shopbatch.inference import refs, source
from shopbatch.inference.pending import look_up
from shopbatch.inference.resolve import unsigned_words
from shopbatch.inference.shards import to_arrow
from shopbatch.inference.spec import Spec
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store
from tests.inference import oracle, toy


def one_hash(column: pa.ChunkedArray) -> np.ndarray:
    return np.full(len(column), 7, np.uint64)


@pytest.mark.parametrize("quick", [quick_hash, one_hash])
def test_keys_are_told_apart_though_their_quick_hashes_are_equal(
    store: Store, cut_small: None, monkeypatch: pytest.MonkeyPatch, quick: Any
) -> None:
    monkeypatch.setattr(refs, "ray_is_due", lambda: True)  # all tasks run here
    monkeypatch.setattr(source, "quick_hash", quick)
    tables = toy.shop(400, files=4, seed=9)
    toy.put(store, *tables, group=17)
    index = source.build_index(toy.spec(), store.require(REVIEWS, toy.spec().columns))
    assert len(index.parts) > 2 and index.shards > 2
    want = oracle.expect(*tables)
    reasons = {(file, row): reason for _, reason, _, _, file, row in want.rejects}
    assert {"duplicate_key", "empty"} <= set(reasons.values())
    places = [(file, row) for file, rows in enumerate(tables) for row in range(len(rows))]
    assert pa.concat_tables(index.rows)["reason"].to_pylist() == [reasons.get(place) for place in places]
    assert index.reasons == want.reasons


def test_a_key_as_any_type_has_the_quick_hash_of_its_equals() -> None:
    keys = ["a", None, "b", "a", "", "é" * 40, None, "é" * 40]
    hashes = quick_hash(pa.chunked_array([pa.array(keys[:3]), pa.array(keys[3:])])).tolist()
    assert [hashes.index(h) for h in hashes] == [keys.index(k) for k in keys]
    assert hashes == quick_hash(pa.array(["x", *keys], pa.large_string()).slice(1)).tolist()
    assert len(set(quick_hash(pa.array(range(1_000))).tolist())) == 1_000


def memo(spec: Spec, *words: tuple[int, int], attempt: int = 1) -> pa.Table:
    """A piece of a memo: a result for each pair of words, told apart by its tokens."""
    rows = pl.DataFrame(spec.memo.schema().empty_table())
    known = [
        {"hash_hi": hi, "hash_lo": lo, "tokens": 10 * hi + lo, "attempt": attempt, "run_id": "r"} for hi, lo in words
    ]
    whole = pl.concat([rows, pl.DataFrame(known).cast({k: rows.schema[k] for k in known[0]})], how="diagonal")
    shares = [
        pl.lit(p, pl.Float32).alias(f"p_{name}") for name, p in (("negative", 1), ("neutral", 0), ("positive", 0))
    ]
    whole = whole.with_columns(shares)
    return to_arrow(whole.select(*unsigned_words(), pl.exclude("hash_hi", "hash_lo", "recipe")))


@pytest.mark.parametrize("known", [[(1, 1)], [(1, 1), (2, 9)], [(1, 1), (1, 2), (2, 9)], [(1, 2), (1, 1), (1, 2)]])
def test_a_result_is_found_by_the_whole_hash(known: list[tuple[int, int]], store: Store) -> None:
    spec, asked = toy.spec(), [(1, 2), (2, 9), (1, 1), (3, 1), (1, 3)]
    piece = pa.table(
        {
            "hi": pa.array([hi for hi, _ in asked], pa.uint64()),
            "lo": pa.array([lo for _, lo in asked], pa.uint64()),
            "pos": pa.array(range(5), pa.uint32()),
        }
    )
    pieces = [memo(spec, known[0]), memo(spec, *known[1:])] if known[1:] else [memo(spec, *known)]
    answers = look_up(spec, 1, piece, *pieces)[1]
    assert answers["pos"].to_pylist() == [0, 1, 2, 3, 4]
    assert answers["tokens"].to_pylist() == [10 * hi + lo if (hi, lo) in known else None for hi, lo in asked]
