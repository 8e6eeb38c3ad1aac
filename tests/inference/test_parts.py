"""Parts: every row is read once, or only the rows asked for, whatever the files and row groups."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from shopbatch.inference import parts
from shopbatch.warehouse.store import Store
from tests.inference import toy

KEYS = [f"r{i}" for i in range(40)]
SCHEMA = pa.schema([("review_id", pa.string())])


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[parts.Part]:
    """Forty rows in four files of row groups of seven, cut into parts of ten rows or a little more."""
    store = Store(str(tmp_path_factory.mktemp("parts")))
    rows = [{"review_id": key} for key in KEYS]
    toy.put(store, rows[:3], rows[3:25], [], rows[25:], group=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", 10)
        return parts.plan_parts(store.snapshot("reviews"))


def test_every_row_is_read_once_in_order(pieces: list[parts.Part]) -> None:
    assert len(pieces) > 3 and sum(p.rows for p in pieces) == 40
    read: list[str] = []
    for part in pieces:
        end = 0
        for where, rows in part.read(SCHEMA):
            assert where.start == end and where.stop - where.start == rows.num_rows
            end, read = where.stop, read + rows["review_id"].to_pylist()
        assert end == part.rows
    assert read == KEYS


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_only_the_rows_asked_for_are_read(pieces: list[parts.Part], data: st.DataObject) -> None:
    first = 0
    for part in pieces:
        wanted = sorted(data.draw(st.sets(st.integers(0, part.rows - 1))))
        positions = np.array(wanted, np.uint32)
        read: list[str] = []
        for where, rows in part.read(SCHEMA, positions):
            assert where.start == len(read) and rows.num_rows == where.stop - where.start > 0
            read += rows["review_id"].to_pylist()
        assert read == [KEYS[first + i] for i in wanted]
        first += part.rows
