"""What a message says that fills a source table does fill it."""

from __future__ import annotations

from pathlib import Path

from shopbatch.sample import fill_boutique, fill_generated, real
from shopbatch.tables import TABLES
from shopbatch.warehouse.store import Store


def test_a_table_names_a_sample_only_if_that_fills_it(tmp_path: Path) -> None:
    filled = {
        "real": {table.name for table in real._TABLES},
        "generated": {t.table for t in fill_generated(Store(str(tmp_path / "generated")), 20).tables},
        "boutique": {t.table for t in fill_boutique(Store(str(tmp_path / "boutique")), 20).tables},
    }
    for name, table in TABLES.items():
        if table.job or table.command:
            continue
        first = next((sample for sample, tables in filled.items() if name in tables), "")
        assert table.sample == first, name
    assert TABLES["judgements"].filled_by == "`shopbatch load judgements FILE`"
    assert TABLES["queries"].filled_by == "`shopbatch sample --source boutique` or `shopbatch load queries FILE`"
