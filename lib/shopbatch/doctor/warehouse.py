"""The warehouse: whether it takes files and refuses a second commit of a version, and its clock. For `command.py`.

The only part of the doctor that writes: probe objects under `<warehouse>/_runs/.doctor-<random>/`, taken away again.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler

from shopbatch.doctor.cluster import host, outside
from shopbatch.doctor.findings import Finding, brief, error, warning
from shopbatch.warehouse import files

RIVALS = 4  # writers that commit the same version at once
ROUNDS = 3
CONNECT_SECONDS = 2.0
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass
class Probe:
    """What trying showed. None: it was not tried.

    trouble: why nothing can be written. ahead: seconds that the store's clock is before ours.
    winners: how many of RIVALS commits of one version the store let through, at most. unclear: why that is not known.
    left: why the probe objects are still there.
    """

    folder: str
    trouble: str | None = None
    ahead: float | None = None
    winners: int | None = None
    unclear: str | None = None
    left: str | None = None


def probe(root: str) -> Probe:
    """Write, look, commit the same version several times at once, and take all of it away again."""
    found = Probe(f"{root}/_runs/.doctor-{uuid.uuid4().hex}")
    if (silent := _silent_endpoint(root)) is not None:
        found.trouble = silent
        return found
    with _removed(found):
        try:
            found.ahead = _write(f"{found.folder}/probe")
        except (OSError, pa.ArrowException) as problem:
            found.trouble = brief(problem)
            return found
        try:
            found.winners = _race(f"{found.folder}/table")
        except (OSError, DeltaError) as problem:
            found.unclear = brief(problem)
    return found


def judge_probe(root: str, probe: Probe) -> list[Finding]:
    """The first thing that keeps a warehouse from being one; and probe objects that are left."""
    why = "a run keeps its results and its report there"
    if probe.trouble is not None:
        do = "name another with platform.warehouse or SHOPBATCH_WAREHOUSE, or mend rights, keys and endpoint"
        return [error("warehouse", f"{root} cannot be written ({probe.trouble})", why, do)]
    found = []
    if probe.unclear is not None:
        do = "mend the store's rights (get, put, list, delete) and its address (AWS_ENDPOINT_URL, AWS_ALLOW_HTTP)"
        found.append(error("commits", f"{root} takes files but no Delta table ({probe.unclear})", why, do))
    elif probe.winners != 1 and probe.winners is not None:
        what = f"{root} let {probe.winners} of {RIVALS} writers commit the same version of a table"
        lost = (
            "it has no conditional put (If-None-Match), so that of two runs at once one loses its rows without a word"
        )
        do = "use a store, a version of it or a gateway that has it, and unset AWS_S3_ALLOW_UNSAFE_RENAME"
        found.append(error("commits", what, lost, do))
    if probe.left is not None:
        what = f"probe objects could not be deleted ({probe.left})"
        do = f"delete {probe.folder}, and allow runs to delete"
        found.append(warning("warehouse", what, "runs cannot take away what they need no more", do))
    return found


def _write(uri: str) -> float | None:
    """Write a small object; returns how far its time of writing lies from ours."""
    before = time.time()
    files.write_bytes(uri, b"written by shopbatch doctor\n")
    after = time.time()
    fs, path = files.filesystem(uri)
    info = fs.get_file_info(path)
    if info.type != pafs.FileType.File:
        raise FileNotFoundError("what was just written is not there")
    return None if info.mtime is None else outside(info.mtime.timestamp(), before, after)


def _race(uri: str) -> int:
    """Let rivals commit one version at once, some times over; returns how many succeeded at most.

    One after the other would show nothing: a writer looks for newer versions before it writes. Two that looked at the
    same moment are told apart by the store alone.
    """
    DeltaTable.create(uri, schema=Schema.from_arrow(pa.schema([("id", pa.int64())])), mode="error")
    most = 0
    for version in range(ROUNDS):
        start, outcomes = threading.Barrier(RIVALS), list[Exception | None]()
        rivals = [
            threading.Thread(target=_commit, args=(DeltaTable(uri), version, start, outcomes), daemon=True)
            for _ in range(RIVALS)
        ]
        for rival in rivals:
            rival.start()
        for rival in rivals:
            rival.join()
        won = outcomes.count(None)
        if not won:
            raise next((o for o in outcomes if not isinstance(o, CommitFailedError)), outcomes[0]) or AssertionError
        most = max(most, won)
        if most > 1:
            break
    return most


def _commit(handle: DeltaTable, version: int, start: threading.Barrier, outcomes: list[Exception | None]) -> None:
    """One rival: commits nothing but its version; None into `outcomes` where it succeeds."""
    mine = CommitProperties(max_commit_retries=0, app_transactions=[Transaction("shopbatch-doctor", version)])
    start.wait()
    try:
        handle.create_write_transaction([], "append", handle.schema(), [], commit_properties=mine)
    except (OSError, DeltaError) as problem:
        outcomes.append(problem)
    else:
        outcomes.append(None)


@contextmanager
def _removed(probe: Probe) -> Iterator[None]:
    """Whatever the block writes into the probe's folder is taken away, with folders above that it made."""
    try:
        fs, path = files.filesystem(probe.folder)
    except (OSError, pa.ArrowException):
        yield  # the first write says why
        return
    local = isinstance(fs, pafs.LocalFileSystem)
    made = [p for p in Path(path).parents if not os.path.exists(p)] if local else []
    try:
        yield
    finally:
        try:
            if local:
                if Path(path).exists():
                    shutil.rmtree(path)
                for folder in made:
                    with suppress(OSError):  # another run may have begun to fill it
                        folder.rmdir()
            else:
                _delete(fs, path, probe.folder)
        except (OSError, DeltaError) as problem:
            probe.left = brief(problem)


def _delete(fs: pafs.FileSystem, path: str, uri: str) -> None:
    """Delete the objects one by one: Arrow's own delete leaves an empty object in the place of the folder above."""
    found = fs.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    names = [info.path.removeprefix(f"{path}/") for info in found if info.type == pafs.FileType.File]
    handler = DeltaStorageHandler(uri) if names else None
    for name in names:
        assert handler is not None
        handler.delete_file(name)


def _silent_endpoint(root: str) -> str | None:
    """Why an S3 endpoint of one's own cannot be reached: asked for here, since the libraries try for minutes."""
    if not root.startswith(("s3://", "s3a://")):
        return None
    address = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    if address is None:
        return None
    try:
        port = urlsplit(address).port or (443 if address.startswith("https") else 80)
        socket.create_connection((host(address), port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as problem:
        return f"{address} does not answer: {brief(problem)}"
    return None
