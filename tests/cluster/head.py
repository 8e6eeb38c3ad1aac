"""A Ray head node on loopback with token authentication: the cluster to which the tests submit jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

TOKEN = "a-token-of-the-tests-0123456789abcdef"
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canarysecretAWS0123456789abcdefghijklmnop",
    "SHOP_API_KEY": "sk-canarysecretAPI0123456789",
    "HF_TOKEN": "hf_canarysecretHUB0123456789",
}


@dataclass(frozen=True)
class Head:
    """address: of the Jobs API. folder: where Ray keeps sessions and logs. env: the environment of its clients."""

    address: str
    folder: Path
    env: Mapping[str, str]
    python: str = sys.executable

    def shopbatch(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in its own process, which knows the address and the token."""
        command = [self.python, "-m", "shopbatch", *words]
        return subprocess.run(
            command, env={**self.env, **env}, capture_output=True, text=True, check=False, timeout=240
        )


def clean_environment() -> dict[str, str]:
    """This process's environment without the variables that would attach a child to this process's Ray.

    The child may use the fake engines.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SHOPBATCH_"))}
    return kept | {"SHOPBATCH_ALLOW_FAKE": "1"}


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def ray_head(folder: Path, cpus: int = 2, python: str = sys.executable, **more: str) -> Iterator[Head]:
    """`ray start --head --block` for the length of the block.

    folder: a short path, since sockets are created in it. python: of the environment that has Ray. more: variables.
    """
    env = clean_environment() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    env |= {"PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}", **more}
    gcs, api, agent, grpc, client = free_ports(5)
    command = ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={gcs}"]
    command += [f"--dashboard-port={api}", f"--dashboard-agent-listen-port={agent}", f"--num-cpus={cpus}"]
    command += [f"--dashboard-agent-grpc-port={grpc}", f"--ray-client-server-port={client}"]
    command += [f"--object-store-memory={256 * 2**20}", f"--temp-dir={folder}", "--disable-usage-stats"]
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    address = f"http://127.0.0.1:{api}"
    try:
        _wait_until_it_answers(address, head)
        yield Head(address, folder, env | {"RAY_API_SERVER_ADDRESS": address}, python)
    finally:
        started = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
        head.send_signal(signal.SIGTERM)  # ends all processes that it started, except a worker that hangs
        for left in psutil.wait_procs(started, 5)[1]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        head.wait(10)


def _wait_until_it_answers(address: str, head: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    request = urllib.request.Request(f"{address}/api/jobs/", headers={"Authorization": f"Bearer {TOKEN}"})
    while True:
        assert head.poll() is None, "the head node ended"
        assert time.monotonic() < until, "the head node does not answer"
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)


def last_line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON that a command printed last."""
    assert done.stdout.strip(), done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def key_of(done: subprocess.CompletedProcess[str]) -> str:
    """The run key that `submit` printed."""
    match = re.search(r"\b[a-z_]+-\d{8}\S*-[0-9a-f]{12}\b", done.stderr)
    assert match, done.stderr[-2000:]
    return match[0]
