"""Checks that the warehouse can be written, that it refuses a second commit of one version, and its clock.

This is the only part of the doctor that writes: it creates `<warehouse>/_runs/.doctor-<random>/` and deletes it again.
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

from shopbatch.doctor.findings import Finding, brief, error, warning
from shopbatch.doctor.head import outside
from shopbatch.doctor.hosts import host
from shopbatch.warehouse import files

RIVALS = 4  # writers that commit the same version at once
ROUNDS = 3
CONNECT_SECONDS = 2.0
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass
class Probe:
    """The results of probing a warehouse. A value is None if it was not tested.

    Attributes:
        folder: The folder in the warehouse into which the probe wrote.
        trouble: Why nothing can be written; None if writing works.
        ahead: Seconds by which the store's clock is ahead of ours.
        winners: The most commits of one version that succeeded, of `RIVALS` simultaneous ones; only 1 is correct.
        unclear: Why the number of winners is unknown.
        left: Why the probe's files could not be deleted.
    """

    folder: str
    trouble: str | None = None
    ahead: float | None = None
    winners: int | None = None
    unclear: str | None = None
    left: str | None = None


def probe(root: str) -> Probe:
    """Test the warehouse: write a file, commit one version of a table several times at once, delete everything again.

    Returns:
        The results. Problems do not raise, but are fields of it.
    """
    result = Probe(f"{root}/_runs/.doctor-{uuid.uuid4().hex}")
    if (silent := _silent_endpoint(root)) is not None:
        result.trouble = silent
        return result
    with _removed(result):
        try:
            result.ahead = _write(f"{result.folder}/probe")
        except (OSError, pa.ArrowException) as problem:
            result.trouble = brief(problem)
            return result
        try:
            result.winners = _race(f"{result.folder}/table")
        except (OSError, DeltaError) as problem:
            result.unclear = brief(problem)
    return result


def describe_empty(root: str) -> str | None:
    """Return a line that says that the warehouse has no table yet.

    None if it has a table, is an object store (not checked), or if its path is a file.
    """
    place = Path(root)
    if "://" in root or (place.exists() and not place.is_dir()):
        return None
    if place.is_dir() and any(not entry.name.startswith(("_", ".")) for entry in place.iterdir()):
        return None
    return f"there is no table in {root} yet: shopbatch sample, or shopbatch load TABLE FILE, makes the first ones"


def judge_probe(root: str, probe: Probe) -> list[Finding]:
    """Turn the results of `probe` into findings: none, one or two.

    The first problem that makes the warehouse unusable is an error. Files of the probe that could not be deleted are a
    warning.

    Args:
        root: The warehouse's folder or URI, for the messages.
        probe: The results of the test commits in the warehouse.
    """
    why = "a run keeps its results and its report there"
    if probe.trouble is not None:
        do = "set another platform.warehouse or SHOPBATCH_WAREHOUSE, or correct rights, keys and endpoint"
        return [error("warehouse", f"{root} cannot be written ({probe.trouble})", why, do)]
    findings = []
    if probe.unclear is not None:
        do = "correct the store's rights (get, put, list, delete) and address (AWS_ENDPOINT_URL, AWS_ALLOW_HTTP)"
        findings.append(error("commits", f"{root} accepts files but not a Delta table ({probe.unclear})", why, do))
    elif probe.winners != 1 and probe.winners is not None:
        what = f"{root} let {probe.winners} of {RIVALS} writers commit the same version of a table"
        lost = "it has no conditional put (If-None-Match), so one of two simultaneous runs silently loses its rows"
        do = "use a store or gateway that has conditional put, and unset AWS_S3_ALLOW_UNSAFE_RENAME"
        findings.append(error("commits", what, lost, do))
    if probe.left is not None:
        what = f"the files of this check could not be deleted ({probe.left})"
        do = f"delete {probe.folder}, and allow runs to delete"
        findings.append(warning("warehouse", what, "runs cannot delete what they no longer need", do))
    return findings


def _write(uri: str) -> float | None:
    """Write a small file and return the seconds by which the store's clock is ahead of ours; None if unknown.

    Raises:
        OSError: The file cannot be written, or does not exist afterwards.
    """
    before = time.time()
    files.write_bytes(uri, b"written by shopbatch doctor\n")
    after = time.time()
    fs, path = files.filesystem(uri)
    info = fs.get_file_info(path)
    if info.type != pafs.FileType.File:
        raise FileNotFoundError("a file that was just written does not exist")
    return None if info.mtime is None else outside(info.mtime.timestamp(), before, after)


def _race(uri: str) -> int:
    """Let `RIVALS` threads commit the same version of a table at once, and return the most commits that succeeded.

    It is repeated `ROUNDS` times; a correct store accepts one commit each time. Commits in sequence would show nothing,
    since a writer looks for newer versions before it writes. If two writers looked at the same moment, only the store
    can refuse one of them.
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
    """Commit a version without rows as one of several threads, and append the outcome to `outcomes`.

    Args:
        handle: The table.
        version: The version of the application transaction, the same for all threads.
        start: Barrier at which the threads wait for each other.
        outcomes: Shared list; None is appended for a commit that succeeded, else its error.
    """
    properties = CommitProperties(max_commit_retries=0, app_transactions=[Transaction("shopbatch-doctor", version)])
    start.wait()
    try:
        handle.create_write_transaction([], "append", handle.schema(), [], commit_properties=properties)
    except (OSError, DeltaError) as problem:
        outcomes.append(problem)
    else:
        outcomes.append(None)


@contextmanager
def _removed(probe: Probe) -> Iterator[None]:
    """Delete the probe's folder after the `with` block, and the parent folders that the block created.

    If that fails, the reason is set as `probe.left`.
    """
    try:
        fs, path = files.filesystem(probe.folder)
    except (OSError, pa.ArrowException):
        yield  # the first write reports the reason
        return
    local = isinstance(fs, pafs.LocalFileSystem)
    created = [p for p in Path(path).parents if not os.path.exists(p)] if local else []
    try:
        yield
    finally:
        try:
            if local:
                if Path(path).exists():
                    shutil.rmtree(path)
                for folder in created:
                    with suppress(OSError):  # another run may have started to use it
                        folder.rmdir()
            else:
                _delete(fs, path, probe.folder)
        except (OSError, DeltaError) as problem:
            probe.left = brief(problem)


def _delete(fs: pafs.FileSystem, path: str, uri: str) -> None:
    """Delete a folder of an object store object by object.

    Arrow's recursive delete would leave an empty object in place of the parent folder.
    """
    listed = files.entries(fs, path, recursive=True)
    names = [info.path.removeprefix(f"{path}/") for info in listed if info.type == pafs.FileType.File]
    handler = DeltaStorageHandler(uri) if names else None
    for name in names:
        assert handler is not None
        handler.delete_file(name)


def _silent_endpoint(root: str) -> str | None:
    """Return why the configured S3 endpoint cannot be reached; None if it can, or none is configured.

    It is tested first, because the storage libraries would retry for minutes.
    """
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
