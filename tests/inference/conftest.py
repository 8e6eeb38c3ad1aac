"""Small data cut into many parts and shards, so that what happens between them happens in every test."""

import pytest

from shopbatch.inference import source


@pytest.fixture
def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 60 rows and shards of 90. Both are planned in the driver, which is this process."""
    monkeypatch.setattr(source, "PART_ROWS", 60)
    monkeypatch.setattr(source, "SHARD_ROWS", 90)
