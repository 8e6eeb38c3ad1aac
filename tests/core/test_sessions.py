"""Where Spark's Java comes from, and how many CPUs an actor gets. Every job's test runs in these sessions."""

import os
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from shopbatch.core import sessions
from shopbatch.core.config import Platform


def test_without_a_java_the_packaged_one_is_wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    home = Path(sessions.java_home(tmp_path / "wrapped"))
    assert home == tmp_path / "wrapped"
    # Spark asks for this module; the packaged Java lacks it and would not start
    command = [
        str(home / "bin" / "java"),
        "--add-modules=jdk.incubator.vector",
        "-Dgreeting=a b",
        "-XshowSettings:properties",
    ]
    done = subprocess.run([*command, "-version"], capture_output=True, text=True, check=False, env={"PATH": "/bin"})
    assert done.returncode == 0, done.stderr
    assert "greeting = a b" in done.stderr  # all other arguments reach it unchanged


def test_a_java_that_is_too_old_or_broken_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "old" / "bin" / "java"
    java.parent.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(java.parent))
    for script in ("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n", "#!/bin/sh\nexit 1\n", "no program"):
        java.write_text(script)
        java.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
        assert sessions.java_home(tmp_path / "wrapped") == str(tmp_path / "wrapped")
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\"' >&2\n")
    assert sessions.java_home(tmp_path / "wrapped") == str(tmp_path / "old")


@pytest.mark.usefixtures("ray_local")
def test_actors_leave_cpus_for_the_tasks_that_feed_them() -> None:
    cpus = sessions.cluster_cpus()
    assert cpus >= 2
    for actors in (1, 2, 5):
        assert 0 < sessions.actor_cpus(actors) <= 1
        assert actors * sessions.actor_cpus(actors) < cpus


def test_a_spark_session_of_another_thread_is_used_and_not_stopped(spark: SparkSession) -> None:
    used: list[bool] = []

    def job() -> None:
        with sessions.spark_session(Platform()) as found:
            used.append(found.sparkContext is spark.sparkContext)

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert used == [True] and spark.range(3).count() == 3


def test_a_local_ray_is_for_this_user_alone(ray_local: None) -> None:
    import ray

    this = psutil.Process()
    listening = []
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.Error):  # it has just ended
            listening += [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert len(listening) > 3 and set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    folder = Path(ray._private.worker._global_node.get_session_dir_path()).parents[1]
    assert folder.name.startswith("ray-") and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_spark_would_divide_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    code = "from shopbatch.core.config import Platform; from shopbatch.core.sessions import spark_session\n"
    code += "with spark_session(Platform(warehouse='w')): pass"
    command, environment = [sys.executable, "-c", code], os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert "UserError: Spark cannot use a folder with a comma" in done.stderr.splitlines()[-1]
