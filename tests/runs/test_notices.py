"""What others did to a table is undone before the work; a run names it however it ends."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from shopbatch.core.config import JobConfig, Platform
from shopbatch.core.errors import GateRefused, Stopped, UserError
from shopbatch.runs.job import Call, Job, perform
from shopbatch.runs.report import Report
from shopbatch.tables.glossary import GLOSSARY
from shopbatch.tables.search_judgements import SEARCH_JUDGEMENTS
from shopbatch.warehouse.damage import put_in_order
from shopbatch.warehouse.store import Store


@pytest.mark.parametrize("error", [None, GateRefused("too few"), Stopped("later"), KeyError("x"), UserError("wrong")])
def test_what_was_undone_is_named_however_the_run_ends(store: Store, error: Exception | None) -> None:
    rows = SEARCH_JUDGEMENTS.fill(1, query=pa.array(["lamp"]), product_id=pa.array(["p1"]), run_id=pa.array(["r"]))
    rows = rows.set_column(2, "grade", pa.array([1], rows.schema.field("grade").type))
    for name in ("language", "source", "attraction", "looks", "shown", "clicked", "purchased"):
        place, kind = rows.schema.get_field_index(name), rows.schema.field(name).type
        rows = rows.set_column(place, rows.schema.field(name), pa.array(["1"], pa.string()).cast(kind))
    store.commit(SEARCH_JUDGEMENTS, [store.write_file(SEARCH_JUDGEMENTS, rows, "r", 0)], "replace", "r")
    DeltaTable(store.uri(SEARCH_JUDGEMENTS.name)).delete()

    def run(config: JobConfig, store: Store, report: Report) -> None:
        put_in_order(store, SEARCH_JUDGEMENTS, report.run_id)
        put_in_order(store, GLOSSARY, report.run_id)
        report.outcome, report.message = "superseded", "another run was faster"
        if error is not None:
            raise error

    job: Any = Job("toy", JobConfig, run, session="late ray")
    ended = perform(job, JobConfig(platform=Platform(warehouse=store.root)), Call(quiet=True))
    assert type(ended.error) is type(error) and ended.report.outcome != "running"
    assert "others changed search_judgements after our version" in ended.report.message
    assert (str(error.args[0]) if error else "another run") in ended.report.message
    assert ended.report.message.count("others changed") == 1
    assert store.snapshot(SEARCH_JUDGEMENTS.name).rows == 1
