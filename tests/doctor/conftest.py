"""A correct project, which each test breaks in one way, and an S3 store for its warehouse."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopbatch.cli import main as cli
from shopbatch.warehouse import files
from tests.doctor.head import Head, own_address

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "shop"
_CLEAN = (
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_API_SERVER_ADDRESS",
    "RAY_ADDRESS",
    "RAY_TMPDIR",
)
_CLEAN += ("SHOPBATCH_WAREHOUSE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_S3_ALLOW_UNSAFE_RENAME")
_CLEAN += ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "JAVA_HOME")
_JOBS = {
    "infer": '''"""nothing -> nothing."""
from shopbatch.inference.config import InferenceConfig
from shopbatch.runs.job import Job

class Config(InferenceConfig):
    model: str | None = None

    def required_models(self):
        return {"model": self.model} if self.model else {}

JOB = Job("infer", Config, lambda *_: None)
''',
    "train": '''"""nothing -> nothing."""
from shopbatch.core.config import JobConfig
from shopbatch.runs.job import Job
from shopbatch.training.config import WorkersConfig

class Config(JobConfig):
    workers: WorkersConfig = WorkersConfig(count=2, threads=1)

JOB = Job("train", Config, lambda *_: None)
''',
    "nightly": '''"""nothing -> nothing."""
from shopbatch.core.config import JobConfig
from shopbatch.runs.job import Job

JOB = Job("nightly", JobConfig, lambda *_: None, session="spark")
''',
    "reads": '''"""reviews -> nothing."""
from shopbatch.core.config import JobConfig
from shopbatch.runs.job import Job

class Config(JobConfig):
    def required_tables(self):
        return ("reviews",)

JOB = Job("reads", Config, lambda *_: None)
''',
}


@dataclass(frozen=True)
class Said:
    """What one run of the command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[dict[str, str]]:
        return list(json.loads(self.out)["findings"])

    @property
    def checks(self) -> list[str]:
        return sorted(f"{f['level']} {f['check']}" for f in self.findings)


@dataclass
class World:
    """A project in its own folder, correct until a test breaks it. stack: is closed after the test."""

    folder: Path
    stores: Callable[[], Mapping[str, str]]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    stack: ExitStack

    def __post_init__(self) -> None:
        for name in _CLEAN:
            self.monkeypatch.delenv(name, raising=False)
        self.monkeypatch.setenv("HOME", str(self.folder / "user"))  # not the token of the user who runs the tests
        self.monkeypatch.setenv("SHOPBATCH_HOME", str(self.home))
        for name, text in _JOBS.items():
            self.put(f"jobs/{name}.py", text)
        self.conf("base/infer", {})
        self.conf(
            "local/platform", {"warehouse": str(self.warehouse), "object_store_mb": 32, "spark": {"memory": "64m"}}
        )
        shutil.copyfile(ROOT / "requirements.lock", self.home / "requirements.lock")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse"

    def put(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def conf(self, name: str, tree: Mapping[str, Any]) -> None:
        self.put(f"conf/{name}.yaml", yaml.safe_dump(dict(tree)))

    def head(self, head: Head) -> str:
        """Start a head node, which answers until the test ends; returns the override that names it."""
        return f"platform.jobs_address={self.stack.enter_context(head.serve())}"

    def reachable(self, token: str | None) -> str:
        """The same for a head node at an address that is not loopback."""
        address = own_address()
        if address is None:
            pytest.skip("this machine has no address but loopback")
        return self.head(Head(host=address, token=token))

    def login(self, token: str = "a-token-of-the-cluster") -> str:
        self.monkeypatch.setenv("RAY_AUTH_MODE", "token")
        self.monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        return token

    def s3(self, variant: str) -> str:
        """The override that names a warehouse in a variant of the S3 store."""
        files.s3_filesystem.cache_clear()  # a process uses one store; this one uses several
        self.stack.callback(files.s3_filesystem.cache_clear)
        self.monkeypatch.setenv("AWS_ENDPOINT_URL", self.stores()[variant])
        for name, value in {
            "ACCESS_KEY_ID": "testing",
            "SECRET_ACCESS_KEY": "testing-secret",
            "REGION": "us-east-1",
            "ALLOW_HTTP": "true",
            "EC2_METADATA_DISABLED": "true",
        }.items():
            self.monkeypatch.setenv(f"AWS_{name}", value)
        return f"platform.warehouse=s3://{BUCKET}/warehouse"

    def doctor(self, *words: str) -> Said:
        """Run the command with --json, and with a limit for free disk space that every machine meets."""
        self.capsys.readouterr()
        code = cli.main(["doctor", "--min-free-gb", "0.001", "--json", *words])
        return Said(code, *self.capsys.readouterr())


@pytest.fixture(scope="session")
def stores() -> Iterator[dict[str, str]]:
    """Addresses of one S3 store by variant, with an empty bucket in it."""
    import httpx

    program = [sys.executable, "-m", "tests.doctor.store_server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None and server.stdin is not None
        addresses = dict(json.loads(server.stdout.readline()))
        httpx.put(f"{addresses['sound']}/{BUCKET}", trust_env=False).raise_for_status()
        yield addresses
        server.stdin.close()
        server.wait(timeout=20)


@pytest.fixture
def world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    with ExitStack() as stack:
        # the first test that needs the store starts it
        yield World(tmp_path, lambda: request.getfixturevalue("stores"), monkeypatch, capsys, stack)
