"""The key of training rows: made once by a job that writes, never by a question; what cannot be answered is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.models import erasure, registry
from shopbatch.models.erasure_key import KEY, copy_key, identity
from shopbatch.warehouse.store import Store


def publish(store: Store, name: str, *rows: str, **more: object) -> str:
    about = {"origin": name, **erasure.record(store, rows), **more}
    return registry.publish(f"{store.root}/_models", name, lambda f: (f / "v.txt").write_text(name), **about).reference


def ask(store: Store, row: str) -> str:
    return erasure.trained_on(store, "support_dialogs", row, {}).sentence


@pytest.fixture
def key(store: Store) -> Path:
    return Path(store.root) / KEY


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:5] + bytes([data[5] ^ 1]) + data[6:])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "short": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "empty": lambda p: p.write_bytes(b""),
    "damaged": flip,
    "another": lambda p: p.write_bytes(os.urandom(32)),
    "a folder": lambda p: (p.unlink(), p.mkdir()),
    "a text": lambda p: p.write_text("x" * 33),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_its_key_a_question_is_an_error_that_names_the_models(
    store: Store, key: Path, damage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [publish(store, "one", "d-1"), publish(store, "two", "d-2")]
    assert models[0] in ask(store, "d-1")
    whole = key.read_bytes()
    DAMAGES[damage](key)
    before = key.read_bytes() if key.is_file() else None
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    for _ in range(2):  # asking changes nothing
        assert cli.main(["models", "--trained-on", "support_dialogs", "d-1"]) == 2
        told = capsys.readouterr()
        (line,) = [line for line in told.err.splitlines() if line.startswith("shopbatch:")]
        assert all(words in line for words in (*models, KEY, "can no longer be answered")) and not told.out
        assert whole.hex() not in line
        assert (key.read_bytes() if key.is_file() else None) == before
    assert cli.main(["models"]) == 0
    if damage != "missing":  # a job refuses to write more by a wrong key, and never replaces it
        with pytest.raises(UserError, match="can no longer be answered"):
            publish(store, "three", "d-3")
        assert (key.read_bytes() if key.is_file() else None) == before
    if key.is_file():
        key.write_bytes(whole)
        assert models[0] in ask(store, "d-1")


def test_asking_a_warehouse_without_models_makes_no_key(store: Store, key: Path) -> None:
    assert ask(store, "d-1").startswith("no model is known to have been trained")
    assert not key.exists()


def test_after_a_new_key_only_what_was_lost_is_doubted(store: Store, key: Path) -> None:
    old = publish(store, "one", "d-1")
    key.unlink()
    new = publish(store, "two", "d-1")
    answer = ask(store, "d-1")
    assert answer.startswith(f"1 model was trained on support_dialogs d-1: {new} (")
    assert f"{old} names rows by another key" in answer


def test_models_of_earlier_versions_name_no_key_and_are_still_asked(store: Store) -> None:
    rows = erasure.keyed(store, ["d-1"])
    old = registry.publish(
        f"{store.root}/_models", "old", lambda f: (f / "v.txt").write_text("x"), origin="o", rows=rows
    ).reference
    assert old in ask(store, "d-1")


def test_the_identity_in_a_manifest_is_not_the_key(store: Store, key: Path) -> None:
    publish(store, "one", "d-1")
    manifest = registry.find(f"{store.root}/_models", "one@live").manifest
    assert manifest["rows_key"] == identity(key.read_bytes()) and len(manifest["rows_key"]) == 16
    assert manifest["rows_key"] not in key.read_bytes().hex()
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_jobs_that_make_the_key_at_once_end_with_one(store: Store, key: Path) -> None:
    code = (
        "import sys\nfrom shopbatch.models import erasure\nfrom shopbatch.warehouse.store import Store\n"
        "print('ready', flush=True)\nsys.stdin.readline()\nprint(erasure.record(Store(sys.argv[1]), ['a']))\n"
    )
    pipe = subprocess.PIPE
    jobs = [
        subprocess.Popen([sys.executable, "-c", code, store.root], stdin=pipe, stdout=pipe, text=True) for _ in range(4)
    ]
    for job in jobs:
        assert job.stdout is not None and job.stdout.readline() == "ready\n"
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write("go\n")
        job.stdin.flush()
    answers = {job.communicate(timeout=60)[0] for job in jobs}
    assert answers == {f"{erasure.record(store, ['a'])}\n"}
    assert [p.name for p in key.parent.iterdir()] == ["erasure.key"]


def test_a_key_is_taken_over_only_where_there_is_none(store: Store, key: Path, tmp_path: Path) -> None:
    other = Store(str(tmp_path / "other"))
    publish(store, "one", "d-1")
    copy_key(other, store)
    assert (Path(other.root) / KEY).read_bytes() == key.read_bytes()
    third = Store(str(tmp_path / "third"))
    publish(third, "one", "d-1")
    before = (Path(third.root) / KEY).read_bytes()
    copy_key(third, store)
    assert (Path(third.root) / KEY).read_bytes() == before
    key.write_bytes(b"short")
    with pytest.raises(UserError, match="damaged"):
        copy_key(Store(str(tmp_path / "fourth")), store)
    assert not (tmp_path / "fourth" / KEY).exists()
