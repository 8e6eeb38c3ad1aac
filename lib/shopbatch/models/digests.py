"""SHA-256 of files, with a cache for large files, so that the start of a run does not hash gigabytes again.

A cached digest is valid while the file's size, inode, device, mtime and ctime are the same. A program cannot set the
ctime, so a change by any program is noticed. A change by the disk itself, such as a flipped bit, is not; therefore
`folder.verify` reads all files unless `trust` is set. The cache is in this user's cache folder (`folder.cache`), so a
downloaded model cannot bring its own entries.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

LARGE = 16 << 20  # bytes; hashing a smaller file is as fast as a look-up in the cache
_SETTLED_NS = 2_000_000_000  # a file that changed so recently could change again without a new time stamp


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path, memory: Path) -> str:
    """Return the SHA-256 of a file in hex; that of an unchanged file of 16 MiB or more comes from a cache.

    Args:
        path: The file.
        memory: Folder of the cache. It is created if possible; without write access nothing is cached.
    """
    stat = path.stat()
    if stat.st_size < LARGE:
        return sha256(path)
    path = path.resolve()
    record = memory / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    state = _state(path)
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(record.read_bytes())
        if known["state"] == state:
            return str(known["sha256"])
    now = time.time_ns()
    digest = sha256(path)
    if _state(path) == state and max(stat.st_mtime_ns, stat.st_ctime_ns) < now - _SETTLED_NS:
        with suppress(OSError):  # a read-only cache: the digest is not stored
            memory.mkdir(parents=True, exist_ok=True)
            draft = record.with_name(f".{record.name}.{uuid.uuid4().hex}")
            draft.write_text(json.dumps({"state": state, "sha256": digest}), "utf-8")
            draft.replace(record)
    return digest


def _state(path: Path) -> list[int]:
    """Return the size, times, inode and device of a file, by which a later change of the file is detected."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
