"""Finds runs that are under way. An erasure is refused meanwhile, because they could write an erased row again."""

from __future__ import annotations

import time

from shopbatch.core.errors import Stopped
from shopbatch.runs.history import newest
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

_LEASE_SECONDS = 600.0  # a lease that was not renewed for so long belongs to a dead run
ALL = 10**9


def alive(store: Store) -> list[str]:
    """Return the runs that are under way, sorted, each as "job/run_id".

    These are the runs whose report says "running", and runs without a report (started from Python) whose lease file was
    renewed within the last 10 minutes.
    """
    reports = newest(store.root, count=ALL)
    running = {f"{r['job']}/{r['run_id']}" for r in reports if r.get("outcome") == "running"}
    known = {f"{r['job']}/{r['run_id']}" for r in reports}
    fs, base = files.filesystem(f"{store.root}/_runs")
    for info in files.entries(fs, base, recursive=True):
        if info.base_name == "inflight" and info.mtime is not None:
            run = "/".join(info.path.split("/")[-3:-1])
            if run not in known and time.time() - info.mtime.timestamp() < _LEASE_SECONDS:
                running.add(run)  # a run without a report was started from Python
    return sorted(running)


def refuse_if_alive(store: Store) -> None:
    """Refuse the erasure if a run is under way.

    Raises:
        Stopped: A run is under way; the message names it.
    """
    if runs := alive(store):
        more = f" and {len(runs) - 1} more" if runs[1:] else ""
        raise Stopped(f"run {runs[0]}{more} is under way and could write an erased row again; wait for its end")
