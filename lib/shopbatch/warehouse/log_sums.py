"""Checksums of the files of a local Delta log (entries and checkpoints), in `.crc` files beside them.

`delta.py` and `log_files.py` call it. One flipped bit can turn an entry into another one that is still valid JSON. The
sums of an entry are written right after it. Every later commit adds the sums that are missing, also for entries of
other clients.
"""

from __future__ import annotations

import os
import re

import pyarrow.fs as pafs

from shopbatch.warehouse import checksums, files
from shopbatch.warehouse.checksums import DamagedFile

ENTRY = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(?:.*\.)?parquet")
HINT = "_last_checkpoint"
KINDS = (ENTRY, CHECKPOINT)
_SUMS = re.compile(r"\.(\d{20}\..+)\.crc")


def check_log(uri: str, version: int | None) -> None:
    """Raise DamagedFile if a log file from which a version is read has changed or is lost.

    Entries before the newest checkpoint are not read, and not checked. An entry whose sums exist while the entry itself
    does not has been lost, also if it was the newest.

    Args:
        uri: Path or URI of the table.
        version: The version; None: the newest.
    """
    if (folder := _folder(uri)) is None:
        return
    names = sorted(os.listdir(folder))
    entries, checkpoints = ([(int(name[:20]), name) for name in names if kind.fullmatch(name)] for kind in KINDS)
    newest = max((number for number, _ in entries), default=-1)
    upto = newest if version is None else min(version, newest)
    start = max((number for number, _ in checkpoints if number <= upto), default=-1)
    wanted = [name for number, name in checkpoints if number == start]
    for name in [*wanted, *(name for number, name in entries if start < number <= upto)]:
        checksums.check_beside(os.path.join(folder, name))
    lost = {f"{number:020}.json" for number in range(start + 1, upto + 1)} - set(names)
    if version is None and entries:
        sealed = {match[1] for match in map(_SUMS.fullmatch, names) if match and ENTRY.fullmatch(match[1])}
        lost |= {name for name in sealed if int(name[:20]) > newest}
    for path in (os.path.join(folder, name) for name in sorted(lost)):
        if not os.path.exists(path):  # a listing may miss an entry that is being added
            raise DamagedFile(path, "it is gone")


def check_entry(uri: str, version: int) -> None:
    """Raise DamagedFile if the log entry of this version does not match its sums."""
    if (folder := _folder(uri)) is not None:
        checksums.check_beside(os.path.join(folder, f"{version:020}.json"))


def seal(uri: str, version: int) -> None:
    """Write the sums of a new version's entry and of all log files that have none, and wait for the disk.

    Sums whose file no longer exists are deleted.
    """
    if (folder := _folder(uri)) is None:
        return
    names = os.listdir(folder)
    known = {match[1] for name in names if (match := _SUMS.fullmatch(name))}
    current = f"{version:020}.json"  # there may be sums of an earlier entry that somebody took away
    for name in names:
        if any(kind.fullmatch(name) for kind in KINDS) and (name not in known or name == current):
            files.seal(os.path.join(folder, name))
    for name in known - set(names):
        files.remove(checksums.beside(os.path.join(folder, name)))


def forget(uri: str, version: int) -> None:
    """Delete the sums of all entries from this version on, because the entries were taken away."""
    if (folder := _folder(uri)) is None:
        return
    for match in filter(None, map(_SUMS.fullmatch, os.listdir(folder))):
        if ENTRY.fullmatch(match[1]) and int(match[1][:20]) >= version:
            files.remove(checksums.beside(os.path.join(folder, match[1])))


def _folder(uri: str) -> str | None:
    """Return the path of a table's log folder; None if it does not exist or is in an object store."""
    fs, path = files.filesystem(f"{uri}/_delta_log")
    return path if isinstance(fs, pafs.LocalFileSystem) and os.path.isdir(path) else None
