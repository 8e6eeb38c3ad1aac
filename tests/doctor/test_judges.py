"""Findings from facts that a test machine cannot be made to have."""

from __future__ import annotations

import pytest

from shopbatch.core.config import JobConfig, Platform, Spark
from shopbatch.doctor import cluster, hosts, machine, project, software
from shopbatch.doctor.findings import Finding, scrub
from shopbatch.doctor.guests import judge_counts
from shopbatch.doctor.head import Access, Cluster, outside
from shopbatch.doctor.machine import Disk, Memory
from shopbatch.doctor.slots import Node, Place, judge_slots, local_gpus
from shopbatch.engines.configs import OpenVinoGenerateConfig, VllmGenerateConfig
from shopbatch.inference.config import InferenceConfig
from shopbatch.training.config import WorkersConfig

HEAD = "http://10.0.0.7:8265"


class Train(JobConfig):
    workers: WorkersConfig = WorkersConfig()


class Write(InferenceConfig):
    engine: OpenVinoGenerateConfig | VllmGenerateConfig = OpenVinoGenerateConfig()


def names(findings: list[Finding]) -> list[str]:
    return [f"{f.level} {f.check}" for f in findings]


def place(*cpus: float, driver: float = 0.0, gpus: float = 0.0) -> Place:
    return Place(HEAD, tuple(Node(c, gpus) for c in cpus), driver)


@pytest.mark.parametrize(
    ("where", "settings", "hangs"),
    [
        (place(2), InferenceConfig(workers=2), False),  # nine tenths of a CPU each
        (place(2), InferenceConfig(workers=64), False),
        (place(1), InferenceConfig(), False),
        (place(2, driver=1), InferenceConfig(), False),
        (place(2, driver=1.5), InferenceConfig(), True),  # no whole CPU for a task
        (place(2, 2, driver=2), InferenceConfig(), False),
        (place(0.5, 0.5), None, True),
        (place(2), Train(workers=WorkersConfig(count=2, threads=1)), False),
        (place(2), Train(workers=WorkersConfig(count=8)), False),
        (place(2, driver=0.2), Train(workers=WorkersConfig(count=2, threads=1)), False),
        (place(2, driver=0.5), Train(workers=WorkersConfig(count=2, threads=1)), True),
        (place(4, driver=1), Train(workers=WorkersConfig(count=2)), True),
        (place(4, 4, driver=1), Train(workers=WorkersConfig(count=2, threads=3)), False),
        (place(*[4] * 16), Train(workers=WorkersConfig(count=2, threads=16)), True),  # no node has 16
        (place(8, 8, gpus=1), Train(workers=WorkersConfig(count=2, device="cuda")), False),
        (place(8, 8, gpus=1), Train(workers=WorkersConfig(count=3, device="cuda")), True),
        (place(8), Write(engine=VllmGenerateConfig()), True),
        (place(8, gpus=1), Write(engine=VllmGenerateConfig(gpus=0.5)), False),
        (place(8), Write(engine=VllmGenerateConfig(gpus=0)), False),
    ],
)
def test_what_would_hang_is_reported_and_nothing_else(where: Place, settings: JobConfig | None, hangs: bool) -> None:
    assert names(judge_slots(where, settings)) == (["error cpus"] if hangs else [])


def test_a_cluster_that_grows_may_be_empty() -> None:
    assert names(judge_slots(place(), None)) == names(judge_slots(place(0.0), None)) == ["warning cpus"]
    assert local_gpus(["nvidia0", "nvidia1", "nvidiactl", "null"]) == 2


def test_memory_is_what_a_control_group_leaves() -> None:
    platform = Platform(object_store_mb=1000, spark=Spark(memory="2g"))
    asked = machine.asked_memory(platform, "ray", Write(workers=3), cpus=8)
    assert asked == {"Ray's object store": 1000.0, "3 x engine.cache_mb": 3072.0}
    assert sum(machine.asked_memory(platform, "ray", Write(), cpus=8).values()) == 1000 + 8 * 1024
    assert machine.asked_memory(platform, "ray", None, cpus=8) == {"Ray's object store": 1000.0}
    assert machine.asked_memory(Platform(ray_address="auto"), "ray", None, cpus=8) == {}
    assert sum(machine.asked_memory(platform, "spark", None, cpus=8).values()) == pytest.approx(2048 * 1.1)
    assert machine.asked_memory(Platform(spark=Spark(master="spark://head:7077")), "spark", None, cpus=8) == {}
    assert names(machine.judge_memory(Memory(4000.0, 9999.0), asked, 1000)) == ["error memory"]
    assert names(machine.judge_memory(Memory(9000.0, 64.0), asked, 1000)) == ["warning memory"]
    assert names(machine.judge_memory(Memory(9000.0, 1000.0), asked, 1000)) == []
    assert 0 < machine.memory().total < 2**30


def test_a_disk_is_reported_once() -> None:
    found = machine.judge_disks([Disk(("/tmp", "/tmp/ray"), 10**9), Disk(("/data",), 10**12)], min_free_gb=5)
    assert names(found) == ["error disk"]
    assert "1.0 GB free" in found[0].what and "/tmp, /tmp/ray" in found[0].what
    assert len(machine.disks(["/", "/no/such/folder"])) == 1


def test_pythons() -> None:
    assert software.judge_python("3.11.7", ">=3.11,<3.13") == software.judge_python("3.14.0", None) == []
    assert names(software.judge_python("3.13.1", ">=3.11,<3.13")) == ["error python"]


def test_versions_of_a_cluster() -> None:
    there = Cluster(HEAD, ray="2.61.0", python="3.12.1")
    assert names(cluster.judge_versions("2.60.0", "3.11.7", there, False)) == ["error ray", "error python"]
    assert names(cluster.judge_versions("2.60.0", "3.11.7", there, True)) == ["warning ray", "warning python"]
    assert cluster.judge_versions("2.61.0", "3.12.9", there, False) == []  # a patch release reads the same
    assert cluster.judge_versions("2.60.0", "3.11.7", Cluster(HEAD), False) == []


@pytest.mark.parametrize(
    ("addresses", "access", "says", "finds"),
    [
        ([HEAD], Access("", None), None, ["error authentication"]),
        ([HEAD], Access("disabled", "t"), None, ["error authentication"]),
        (["https://head.example"], Access("token", "t"), "disabled", ["error authentication"]),
        (["https://head.example"], Access("token", "t"), "token", []),
        ([HEAD], Access("token", "t"), "token", ["warning authentication"]),
        (["ray://10.0.0.7:10001"], Access("token", "t"), None, []),
        (["ray://10.0.0.7:10001"], Access("", None), None, ["error authentication"]),
        (["http://localhost:8265"], Access("", None), "disabled", []),
        (["http://127.3.2.1:8265", "ray://[::1]:10001"], Access("", None), None, []),
    ],
)
def test_authentication(addresses: list[str], access: Access, says: str | None, finds: list[str]) -> None:
    head = None if says is None else Cluster(addresses[0], auth=says)
    assert names(cluster.judge_access(addresses, access, head)) == finds


def test_a_folder_is_a_warehouse_where_all_nodes_mount_it() -> None:
    assert names(cluster.judge_shared("/srv/warehouse", "ext4", [HEAD])) == ["error shared"]
    assert names(cluster.judge_shared("/srv/warehouse", "nfs4", [HEAD])) == []
    assert names(cluster.judge_shared("s3://shop/warehouse", "ext4", [HEAD])) == []
    assert names(cluster.judge_shared("/srv/warehouse", "ext4", [])) == []
    assert hosts.mount_type(machine.existing("/proc/self")) == "proc"


def test_clocks_are_compared_as_whole_seconds() -> None:
    assert outside(100.0, 100.9, 101.1) == 0.0  # 100.9 without its fraction
    assert outside(200.0, 100.9, 101.0) == 99.0
    assert outside(10.0, 100.0, 101.0) == -89.0
    assert cluster.judge_clock("it", 59.0) == cluster.judge_clock("it", None) == []
    assert "1,000 s behind" in cluster.judge_clock("it", -1000.0)[0].what


def test_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef")
    assert "0123456789abcdef" not in scrub("GET failed:\n Bearer 0123456789abcdef, or 0123456789abcdef")
    assert (
        project.without_values("config: engine: Input should be (got {'password': 'x'})") == "engine: Input should be"
    )
    assert (
        project.without_values('a.yaml: not valid YAML: in "x", line 7, column 2: password: x')
        == "a.yaml: not valid YAML, line 7"
    )
    assert project.names_secret("engine.api_key=abc") and project.names_secret("warehouse=s3://a:b@c/d")
    assert not project.names_secret("engine.api_key_env=KEY") and not project.names_secret("sampling.max_new_tokens=5")


@pytest.mark.parametrize(
    ("lines", "guests"),
    [
        ({"0": 2, "u9": 2, "U9": 1}, ["'0'"]),
        ({"-1": 40, "17850": 3}, ["'-1'"]),
        ({"<Not Set>": 1, "u1": 9, "Guest_Checkout": 5}, ["'Guest_Checkout'", "'<Not Set>'"]),
        ({"0": 3, "1": 4, "2": 5}, []),  # customers that are numbered from 0 on
        ({"0": 300, "1": 4, "2": 5}, ["'0'"]),
        ({"00": 3, "01": 4}, []),
        ({"99999": 4000, "17850": 199, "13047": 30}, ["'99999'"]),
        ({"99999": 4000, "17850": 201}, []),  # a customer who buys much
        ({"u1": 4000}, []),
        ({}, []),
    ],
)
def test_guests_under_one_id(lines: dict[str, int], guests: list[str]) -> None:
    found = judge_counts(lines)
    assert names(found) == (["warning guests"] if guests else [])
    for finding in found:
        places = [finding.what.index(guest) for guest in guests]
        assert places == sorted(places) and finding.what.count(" lines)") == len(guests)
