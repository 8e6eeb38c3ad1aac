"""Temporary folders of a process. The folders of a process that was killed are removed by a later process.

Spark spills shuffled data into the system's temporary folder, and Ray spills its objects there. A killed process
removes nothing, so nights of killed runs would fill the disk. Therefore each folder has a file (OWNER) that its process
keeps locked. The system releases the lock when the process ends, however it ends; an unlocked file marks a folder to be
removed.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OWNER = ".owner"
PREFIXES = ("shopbatch-", "ray-")
RESPITE = 600.0  # age in seconds below which no folder is removed, since its process may not have locked it yet


@contextmanager
def scratch(prefix: str, parent: str | None = None) -> Iterator[Path]:
    """Provide a temporary folder that only this user can enter; it is removed at the end of the block.

    The new folder contains only the lock file OWNER. Scratch folders that killed processes have left in `parent` are
    removed first.

    Args:
        prefix: Start of the folder's name: it must begin with one of PREFIXES, or no later process would remove it.
        parent: Where to make the folder; None for the system's temporary folder.

    Raises:
        OSError: The folder cannot be made.
    """
    where = parent or tempfile.gettempdir()
    sweep(where)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    try:
        with (folder / OWNER).open("w") as owner:
            with suppress(OSError):  # a file system without locks; without a host in OWNER, `sweep` keeps the folder
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                owner.write(platform.node())  # other machines may not see the lock
                owner.flush()
            yield folder
    finally:
        _remove(folder)


def sweep(where: str) -> None:
    """Remove the `scratch` folders of this user's processes that have ended without removing them.

    Args:
        where: The folder that contains the scratch folders, such as /tmp.
    """
    with suppress(OSError), os.scandir(where) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIXES) and entry.is_dir(follow_symlinks=False) and _is_left(Path(entry.path)):
                _remove(Path(entry.path))


def _remove(folder: Path) -> None:
    """Remove a folder, the lock file OWNER last, so that `sweep` still finds a folder whose removal was interrupted."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != OWNER:
                with suppress(OSError):
                    os.unlink(entry.path)
    shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Return True if a folder is to be removed: `scratch` made it, and its process has ended without removing it.

    A folder that is younger than RESPITE seconds, or that belongs to another user or another machine, is never to be
    removed (False).
    """
    try:
        descriptor = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # not a scratch folder, or another user's
        return False
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid():
            return False
        if time.time() - about.st_mtime < RESPITE:
            return False
        if os.pread(descriptor, 256, 0).decode("utf-8", "replace") != platform.node():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its process is alive
        return False
    finally:
        os.close(descriptor)
    return True
