"""Tools that the benchmarks of build_user_profiles share: run the job, measure memory, CPU time and spilled bytes."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from shopbatch.capabilities.profiles.config import ProfileConfig
from shopbatch.capabilities.profiles.run import build_profiles
from shopbatch.runs.report import Report
from shopbatch.tables.user_daily import (
    EVENTS_REJECTS,
    TRANSACTIONS_REJECTS,
    USER_DAILY,
    USER_EVENT_DAILY,
    USER_PRODUCT_DAILY,
)
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.warehouse.store import Store

DERIVED = (USER_DAILY, USER_PRODUCT_DAILY, TRANSACTIONS_REJECTS, USER_EVENT_DAILY, EVENTS_REJECTS, USER_PROFILES)


def fresh(store: Store) -> None:
    """Delete the tables that earlier runs of build_user_profiles made."""
    for table in DERIVED:
        shutil.rmtree(f"{store.root}/{table.name}", ignore_errors=True)


def build(spark: SparkSession, store: Store, **config: Any) -> tuple[float, Report]:
    """Run build_user_profiles once, and return its seconds and its report.

    Args:
        spark: The session.
        store: The warehouse.
        **config: Settings of the job, such as as_of.
    """
    report = Report(job="build_user_profiles")
    start = time.perf_counter()
    build_profiles(spark, ProfileConfig(**config), store, report)
    return time.perf_counter() - start, report


def java_pid(spark: SparkSession) -> int:
    """Return the process id of the session's JVM, which must be on this machine."""
    java: Any = spark._jvm
    return int(java.java.lang.ProcessHandle.current().pid())


def peak_mb(pid: int | str = "self") -> float:
    """Return the peak memory of a process so far, in MB (VmHWM); 0 if the system does not report it."""
    values = [line.split()[1] for line in _lines(Path(f"/proc/{pid}/status")) if line.startswith("VmHWM")]
    return int(values[0]) / 1024 if values else 0.0


def cpu_seconds(spark: SparkSession) -> float:
    """Return the CPU time of this process and the JVM so far, all threads. Other processes hardly influence it."""
    stat = Path(f"/proc/{java_pid(spark)}/stat").read_text("ascii").rpartition(") ")[2].split()
    return time.process_time() + (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def spilled(spark: SparkSession) -> tuple[int, int]:
    """Return the bytes that all stages of the session have spilled so far: as size in memory, and as size on disk."""
    java: Any = spark._jvm
    gateway: Any = spark.sparkContext._gateway
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty(60_000)
    nothing = java.java.util.ArrayList()
    quantiles = gateway.new_array(java.double, 0)
    stages = context.statusStore().stageList(nothing, False, False, quantiles, nothing)
    memory = disk = 0
    for place in range(stages.size()):
        stage = stages.apply(place)
        memory += stage.memoryBytesSpilled()
        disk += stage.diskBytesSpilled()
    return memory, disk


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file; an empty list if there is no such file."""
    return path.read_text("utf-8").splitlines() if path.exists() else []
