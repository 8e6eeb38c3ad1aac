"""A real PostgreSQL server for the tests, from package pgserver. It refuses root, so root runs it as another user."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as dbapi

PASSWORD = "se%cret@/"
_QUOTED = "se%25cret%40%2F"


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server of its own; give the URI of its database, with the password; stop it and delete its data."""
    folder = Path(tempfile.mkdtemp(prefix="shopbatch-postgres-", dir="/tmp"))  # the path of a socket must be short
    server = None
    try:
        binaries, user = _binaries(folder)
        data, secret = folder / "data", folder / "password"
        data.mkdir(mode=0o700)
        secret.write_text(PASSWORD)
        if user:
            folder.chmod(0o755)
            os.chown(data, user["user"], user["group"])
        options = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-locale", "--no-sync"]
        command = [str(binaries / "initdb"), "-D", str(data), "-U", "shop", *options]
        subprocess.run(command, check=True, capture_output=True, cwd=data, **user)
        port = _free_port()
        where = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(data)]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen([str(binaries / "postgres"), "-F", *where], stderr=log, cwd=data, **user)
        uri = f"postgresql://shop:{_QUOTED}@127.0.0.1:{port}/postgres"
        _wait(uri, folder / "log")
        yield uri
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # "fast shutdown"
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _binaries(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of the programs, and who runs them: for root, user `nobody`, on a copy that this user can reach."""
    spec = importlib.util.find_spec("pgserver")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    if os.getuid() != 0:
        return package / "pginstall" / "bin", {}
    nobody = pwd.getpwnam("nobody")
    shutil.copytree(package.parent / "pgserver.libs", folder / "pgserver.libs")
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, folder / "pgserver" / "pginstall" / part)
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return folder / "pgserver" / "pginstall" / "bin", user


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(uri: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return dbapi.connect(uri).close()
        except dbapi.Error:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
