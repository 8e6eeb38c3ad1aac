"""Folders that a process needs while it runs: gone at its end, and gone with the next one if it was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shopbatch.core.scratch import OWNER, RESPITE, scratch, sweep

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from shopbatch.core.scratch import scratch
with scratch("shopbatch-test-", sys.argv[1]) as folder:
    (folder / "spilled").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(600)
"""
SPARK = """
import os, signal
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
with spark_session(Platform(cpus=2, spark=Spark(memory="1g"))) as session:
    rows = session.range(1000).selectExpr("id % 7 as k").groupBy("k").count().collect()
    assert len(rows) == 7
    print(*(path for path in os.listdir(os.environ["TMPDIR"]) if not path.startswith("hsperfdata_")), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def age(folder: Path) -> None:
    """Make a folder seem older than the time for which it is left alone."""
    then = time.time() - RESPITE - 60
    os.utime(folder / OWNER, (then, then))


@pytest.fixture
def holder(tmp_path: Path):
    """A process that has a folder below `tmp_path`, and the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()


def test_a_folder_is_private_and_goes_at_the_end_of_the_block(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch("shopbatch-test-", str(tmp_path)) as folder:
        (folder / "file").write_text("text")
        assert folder.stat().st_mode & 0o077 == 0 and folder.name.startswith("shopbatch-test-")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path, holder) -> None:
    process, folder = holder
    age(folder)
    with scratch("shopbatch-other-", str(tmp_path)):
        assert (folder / "spilled").exists()  # its process lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    with scratch("shopbatch-other-", str(tmp_path)) as other:
        assert list(tmp_path.iterdir()) == [other]


def test_a_folder_that_has_just_been_made_is_left_alone(tmp_path: Path, holder) -> None:
    process, folder = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    sweep(str(tmp_path))
    assert (folder / "spilled").exists()


def test_folders_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "shopbatch-notes").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / OWNER).touch()
    (tmp_path / "shopbatch-link").symlink_to(tmp_path / "other")
    (tmp_path / "shopbatch-linked-owner").mkdir()
    (tmp_path / "shopbatch-linked-owner" / OWNER).symlink_to(tmp_path / "other" / OWNER)
    age(tmp_path / "other")
    before = sorted(tmp_path.rglob("*"))
    sweep(str(tmp_path))
    sweep(str(tmp_path / "nothing"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_all_that_spark_writes_outside_the_warehouse_goes_with_the_next_run(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SPARK], env=environment, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    (name,) = done.stdout.decode().split()
    assert name.startswith("shopbatch-java-")
    age(tmp_path / name)
    with scratch("shopbatch-other-", str(tmp_path)):
        assert not (tmp_path / name).exists()
