"""Keys made from content, and repetitions counted across batches."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.load import keys

BATCHES = st.lists(st.lists(st.integers(0, 12), max_size=9), max_size=9)


@settings(deadline=None)
@given(BATCHES)
def test_occurrences_are_counted_across_batches(batches: list[list[int]]) -> None:
    seen, oracle = keys.Occurrences(), Counter[int]()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(oracle[value])
            oracle[value] += 1
        assert seen.count(np.array(batch, np.uint64)).tolist() == expected


@settings(deadline=None)
@given(BATCHES)
def test_keys_name_contents_and_number_their_repetitions(batches: list[list[int]]) -> None:
    seen = keys.Occurrences()
    made = [
        k for b in batches if b for k in keys.from_content({"text": pa.array([str(v) for v in b])}, seen).to_pylist()
    ]
    values = [v for b in batches for v in b]
    assert len(set(made)) == len(made)
    stems = [k.split("-")[0] for k in made]
    assert all(
        (a == b) == (x == y) for a, x in zip(stems, values, strict=True) for b, y in zip(stems, values, strict=True)
    )
    assert all(len(stem) == 32 for stem in stems)


def test_null_is_not_empty_and_columns_do_not_run_together() -> None:
    columns = {"text": pa.array(["", None, "a", "ab", "b"]), "title": pa.array([None, "", "bc", "c", None])}
    made = keys.from_content(columns, keys.Occurrences()).to_pylist()
    assert len(set(made)) == 5
    absent = keys.from_content({"text": pa.array(["b"])}, keys.Occurrences()).to_pylist()
    assert absent == made[4:]  # a column that is null and one that is not there are the same


def test_repeated_keys() -> None:
    seen = keys.Occurrences()
    assert keys.count_repeated([pa.array(["a", "b", "a"]), pa.array(["1", "1", "1"])], seen) == 1
    assert keys.count_repeated([pa.array(["a", "b"]), pa.array(["1", "2"])], seen) == 1


def test_keys_tell_lists_and_maps_apart() -> None:
    lists = pa.array([["a"], ["b"], ["a", "b"], ["ab"], [], None], pa.list_(pa.string()))
    maps = pa.array([[("a", "1")], [("a", "2")], [("b", "1")], [], None], pa.map_(pa.string(), pa.string()))
    for values in (lists, maps):
        made = keys.from_content({"held": values}, keys.Occurrences()).to_pylist()
        assert len(set(made)) == len(values)
    again = keys.from_content({"held": lists.take(pa.array([0, 0]))}, keys.Occurrences()).to_pylist()
    assert again[1] == f"{again[0]}-2"
