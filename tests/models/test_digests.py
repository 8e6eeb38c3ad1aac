"""A large file is hashed once; whatever a program does to it afterwards is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from shopbatch.models import digests
from shopbatch.models.digests import remembered_sha256


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, and as unchanged for long enough."""
    monkeypatch.setattr(digests, "LARGE", 10)
    monkeypatch.setattr(digests, "_SETTLED_NS", -(10**18))
    (tmp_path / "file").write_bytes(b"a" * 100)
    return tmp_path / "file"


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def later(path: Path, before: os.stat_result) -> None:
    """Give a file its former dates; the clock of the file system may need a moment to go on."""
    while path.stat().st_ctime_ns <= before.st_ctime_ns:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_it_is_hashed_once(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sha(file)
    assert remembered_sha256(file, tmp_path / "memory") == expected
    monkeypatch.setattr(digests, "sha256", lambda _: pytest.fail("hashed again"))
    assert remembered_sha256(file, tmp_path / "memory") == expected


def test_a_change_that_keeps_size_and_date_is_noticed(file: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    first, before = remembered_sha256(file, memory), file.stat()
    file.write_bytes(b"b" * 100)
    later(file, before)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert remembered_sha256(file, memory) == sha(file) != first
    other = tmp_path / "other"
    other.write_bytes(b"c" * 100)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, file)
    assert remembered_sha256(file, memory) == sha(file)


def test_a_file_that_was_just_written_is_not_remembered(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_SETTLED_NS", 10**18)
    remembered_sha256(file, tmp_path / "memory")
    assert not (tmp_path / "memory").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"state": 1}', b"\xff"])
def test_a_damaged_memory_is_replaced(file: Path, tmp_path: Path, damage: bytes) -> None:
    memory = tmp_path / "memory"
    remembered_sha256(file, memory)
    (record,) = memory.iterdir()
    record.write_bytes(damage)
    assert remembered_sha256(file, memory) == sha(file)
    assert json.loads(record.read_text())["sha256"] == sha(file)


def test_a_cache_that_cannot_be_written_remembers_nothing(file: Path, tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")
    assert remembered_sha256(file, tmp_path / "memory") == sha(file)
