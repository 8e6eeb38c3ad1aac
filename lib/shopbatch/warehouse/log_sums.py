"""Checksums beside the files of a Delta log on this machine's file system: its entries and its checkpoints.

Called by `delta.py`. One flipped bit can turn an entry into another one that is still valid JSON. The sums of an entry
are written right after it; whoever commits next writes those that are missing, also of other clients' entries.
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
    """Raise DamagedFile if a file of the log that a version (None: the newest) is read from has changed.

    Entries before the newest checkpoint are not read, and not checked. An entry of which only the sums are there has
    been lost, also if it was the newest.
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
    """Raise DamagedFile if the entry of one version has changed."""
    if (folder := _folder(uri)) is not None:
        checksums.check_beside(os.path.join(folder, f"{version:020}.json"))


def seal(uri: str, version: int) -> None:
    """Write the sums of a new version's entry, and of all files of the log that have none; wait for the disk."""
    if (folder := _folder(uri)) is None:
        return
    names = os.listdir(folder)
    known = {match[1] for name in names if (match := _SUMS.fullmatch(name))}
    current = f"{version:020}.json"  # its sums may be there, of an entry that somebody took away
    for name in names:
        if any(kind.fullmatch(name) for kind in KINDS) and (name not in known or name == current):
            files.seal(os.path.join(folder, name))
    for name in known - set(names):
        files.remove(checksums.beside(os.path.join(folder, name)))


def forget(uri: str, version: int) -> None:
    """Delete the sums of the entries from a version on: these entries were taken away."""
    if (folder := _folder(uri)) is None:
        return
    for match in filter(None, map(_SUMS.fullmatch, os.listdir(folder))):
        if ENTRY.fullmatch(match[1]) and int(match[1][:20]) >= version:
            files.remove(checksums.beside(os.path.join(folder, match[1])))


def _folder(uri: str) -> str | None:
    """The folder of the log; None if there is none, or if an object store keeps it."""
    fs, path = files.filesystem(f"{uri}/_delta_log")
    return path if isinstance(fs, pafs.LocalFileSystem) and os.path.isdir(path) else None
