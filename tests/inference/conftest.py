"""Small data cut into many parts and shards, so that what happens between them happens in every test."""

import shutil
from pathlib import Path

import pytest

from shopbatch.inference import parts, shards
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.inference import toy


@pytest.fixture
def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 60 rows and shards of 90. Both are planned in the driver, which is this process."""
    monkeypatch.setattr(parts, "PART_ROWS", 60)
    monkeypatch.setattr(shards, "SHARD_ROWS", 90)


@pytest.fixture(scope="session")
def first_run(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, list[list[toy.Row]], Report]:
    """A warehouse after its first run: to be copied (`published`), never to be written to."""
    home, tables = toy.warehouse(tmp_path_factory.mktemp("first")), toy.shop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", 60)
        patch.setattr(shards, "SHARD_ROWS", 90)
        toy.put(home, *tables, group=17)
        return home, tables, toy.run(home, toy.spec(), flush_rows=16)


@pytest.fixture
def published(first_run, cut_small: None, tmp_path: Path) -> tuple[Store, list[list[toy.Row]]]:
    """A warehouse of the test's own after a first run of `toy.shop()`, and that source's rows by file."""
    shutil.copytree(first_run[0].root, tmp_path / "warehouse")
    return toy.warehouse(tmp_path), [[dict(row) for row in table] for table in first_run[1]]
