"""An object store for tests: moto's server in its own process on loopback, behind a connection that can be cut."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pyarrow.fs as pafs
import pytest

from shopbatch.warehouse import files
from tests.cluster.head import clean_environment, free_ports

BUCKET = "shop"
SECRET = "canary-of-the-secret-key-0123456789"


@dataclass
class Line:
    """A TCP proxy in front of a server. cut(): open connections break and new ones are refused. mend(): undoes it."""

    port: int
    server: int
    up: bool = True
    taken: int = 0  # connections since the start
    _open: set[socket.socket] = field(default_factory=set)
    _listener: socket.socket | None = None

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self.cut()
        if self._listener is not None:
            self._listener.close()

    def cut(self) -> None:
        self.up = False
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.up = True

    def _serve(self) -> None:
        assert self._listener is not None
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.taken += 1
            if not self.up:
                client.close()
                continue
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.server), 10)
        except OSError:
            client.close()
            return
        self._open |= {client, server}
        with suppress(OSError), selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while self.up:
                for key, _ in ready.select(1):
                    data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                    if not data:
                        raise ConnectionResetError
                    key.data.sendall(data)
        for each in (client, server):
            self._open.discard(each)
            each.close()


@dataclass(frozen=True)
class ObjectStore:
    """env: the variables by which Arrow, delta-rs and Polars find it. line: the proxy through which they reach it."""

    env: dict[str, str]
    line: Line

    def warehouse(self, name: str) -> str:
        return f"s3://{BUCKET}/{name}"

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Make the store the one that this process uses inside the block."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.env, "AWS_ALLOW_HTTP": "true"}.items():
                patch.setenv(name, value)
            files.s3_filesystem.cache_clear()
            try:
                yield
            finally:
                files.s3_filesystem.cache_clear()

    def keys(self, prefix: str) -> list[str]:
        """Every object under a prefix, listed without the proxy."""
        fs = pafs.S3FileSystem(
            endpoint_override=f"127.0.0.1:{self.line.server}",
            scheme="http",
            region="us-east-1",
            access_key=self.env["AWS_ACCESS_KEY_ID"],
            secret_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )
        listed = fs.get_file_info(pafs.FileSelector(f"{BUCKET}/{prefix}", recursive=True, allow_not_found=True))
        return [f.path for f in listed if f.type == pafs.FileType.File]


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """moto's server with a bucket, behind a proxy, inside the block."""
    port, outer = free_ports(2)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    line = Line(outer, port)
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{outer}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        until = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < until, "the object store does not start"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        line.start()
        pafs.S3FileSystem(
            endpoint_override=f"127.0.0.1:{port}",
            scheme="http",
            region="us-east-1",
            access_key="tests",
            secret_key=SECRET,
            allow_bucket_creation=True,
        ).create_dir(BUCKET)
        yield ObjectStore({**env}, line)
    finally:
        line.stop()
        server.terminate()
        server.wait(20)
