"""The only `ray.init` of the code base. Jobs ask for a session; where it runs is the platform's business."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from shopbatch.config import Platform


@contextmanager
def ray_session(platform: Platform) -> Iterator[None]:
    """A Ray session for the length of the block; one that is already there is used and left alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    # a task has one CPU: Polars must not take them all in each (workers inherit this)
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # "local" and not the default: that would attach to any cluster left over on this machine
    local = platform.ray_address is None
    ray.init(
        address="local" if local else platform.ray_address,
        num_cpus=platform.cpus if local else None,
        object_store_memory=platform.object_store_mb * 2**20 if local else None,
        include_dashboard=False if local else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()
