"""SHA-256 of files. That of a large file is remembered on this machine, so that a start does not hash gigabytes.

What is remembered holds as long as size, inode, device, and the times of the last change of content and of inode are
the same. A program cannot set the last of these, so a change by any program is noticed; one that the disk makes by
itself is not, which is why `verify` reads everything unless it is told otherwise. The memory is in this user's cache
(`folder.cache`): what comes with a model cannot claim to have been hashed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

LARGE = 16 << 20  # bytes; hashing less takes no longer than looking it up
_SETTLED_NS = 2_000_000_000  # a file changed later than this before it was hashed may change again unnoticed


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read from its content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path, memory: Path) -> str:
    """Return the SHA-256 of a file. That of a large one is looked up in `memory`, and kept there once it is computed.

    Args:
        path: The file.
        memory: Folder of what is remembered; it is made, if this is possible.
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
        with suppress(OSError):  # a cache that cannot be written remembers nothing
            memory.mkdir(parents=True, exist_ok=True)
            draft = record.with_name(f".{record.name}.{uuid.uuid4().hex}")
            draft.write_text(json.dumps({"state": state, "sha256": digest}), "utf-8")
            draft.replace(record)
    return digest


def _state(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
