"""Several nodes give the same tables as one, also if a node is lost during the run. They share only the warehouse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.head import clean_environment
from tests.inference import oracle, toy

ROOT = Path(__file__).parents[2]

# Each node has one CPU, so no node can do the work alone. When the driver has taken its third receipt, a node on which
# a worker is busy is removed.
RAY_NODES = """
import json, sys, time
import ray
from ray._private.state import available_resources_per_node
from ray.cluster_utils import Cluster
from shopbatch.inference import parts, run, shards
from tests.inference import toy

root = sys.argv[1]
parts.PART_ROWS, shards.SHARD_ROWS = 60, 90
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 128 * 2**20})
nodes = [cluster.add_node(num_cpus=1, object_store_memory=128 * 2**20) for _ in range(2)]
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
receipts, lost = [], []
def at(place):
    if place == "compute":
        receipts.append(place)
        if len(receipts) == 3:
            free = available_resources_per_node()
            busy = [n for n in nodes if free[n.node_id].get("CPU", 0) < 1]
            lost.append(len(busy))
            cluster.remove_node(busy[0], allow_graceful=False)
            while sum(n["Alive"] for n in ray.nodes()) != 2:
                time.sleep(0.1)
run.crash_point = at
report = toy.run(toy.Store(root), toy.spec(slow_ms=100, light=False), flush_rows=8, workers=2)
alive = sum(n["Alive"] for n in ray.nodes())
print(json.dumps([report.outcome, report.to_dict()["rows"], lost, alive, len(receipts)]), flush=True)
ray.shutdown()
cluster.shutdown()
"""

SPARK_NODES = """
import json, sys
from shopbatch.core.config import Platform, Spark
from shopbatch.core.sessions import spark_session
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles import shop
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.test_definition import AS_OF, everything

store = Store(sys.argv[1])
everything(store)
with spark_session(Platform(spark=Spark(master="local-cluster[2,1,1024]"))) as spark:
    report = shop.run(spark, store, as_of=str(AS_OF))
    executors = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1  # beside the driver
differ = differences(shop.profiles(store, AS_OF), shop.expected_profiles(store, AS_OF))
print(json.dumps([report.outcome, differ, executors, store.snapshot("user_profiles").rows], default=str))
"""


def run(code: str, *words: str) -> str:
    """Run code in its own process; returns the list that it prints last."""
    env = clean_environment() | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    env |= {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}  # notice a lost node soon
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert lines, done.stdout[-1000:] + done.stderr[-2000:]
    return lines[-1]


@pytest.mark.timeout(600)
def test_three_ray_nodes_give_the_table_though_one_is_lost_during_compute(tmp_path: Path) -> None:
    store, tables = toy.warehouse(tmp_path), toy.shop()
    toy.put(store, *tables, group=17)
    outcome, rows, busy, alive, receipts = json.loads(run(RAY_NODES, store.root))
    assert outcome == "published" and rows["pending"] == 0 and receipts > 3
    assert busy[0] >= 1 and alive == 2
    oracle.check(store, toy.spec(), oracle.expect(*tables))


@pytest.mark.timeout(600)
def test_spark_executors_in_other_processes_give_the_profiles(tmp_path: Path) -> None:
    outcome, differ, executors, rows = json.loads(run(SPARK_NODES, str(tmp_path / "warehouse")))
    assert (outcome, differ) == ("published", {})
    assert executors == 2 and rows > 0
