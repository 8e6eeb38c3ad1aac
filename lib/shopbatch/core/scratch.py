"""Folders for what a process needs while it runs. What a killed one leaves there, the next one removes.

Spark spills shuffled data into the system's temporary folder, and Ray its objects; a process that is killed removes
nothing, so nights of killed runs would fill the disk. So each folder has a file that its process holds locked. The
lock ends with the process, however that ends.
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
RESPITE = 600.0  # seconds for which a folder stays after it was made, however it looks: its process may not hold it yet


@contextmanager
def scratch(prefix: str, parent: str | None = None) -> Iterator[Path]:
    """Provide a folder that only this user can enter, and that holds OWNER alone; it goes at the end of the block.

    Args:
        prefix: How its name begins: with one of PREFIXES.
        parent: Where to make it; None: in the system's temporary folder.

    Raises:
        OSError: The folder cannot be made.
    """
    where = parent or tempfile.gettempdir()
    sweep(where)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    try:
        with (folder / OWNER).open("w") as owner:
            with suppress(OSError):  # a file system without locks; then nobody takes the folder for one that was left
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                owner.write(platform.node())  # a lock may be known on its own machine alone
                owner.flush()
            yield folder
    finally:
        _remove(folder)


def sweep(where: str) -> None:
    """Remove the folders of processes of this user that have ended without removing them.

    Args:
        where: The folder in which they are.
    """
    with suppress(OSError), os.scandir(where) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIXES) and entry.is_dir(follow_symlinks=False) and _is_left(Path(entry.path)):
                _remove(Path(entry.path))


def _remove(folder: Path) -> None:
    """Remove a folder, its owner's file last: what an interrupted removal leaves can be found again."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != OWNER:
                with suppress(OSError):
                    os.unlink(entry.path)
    shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether a folder was made by `scratch`, some time ago, by a process that has ended."""
    try:
        descriptor = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # it is not one of ours, or another user's
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
    except OSError:  # its process lives
        return False
    finally:
        os.close(descriptor)
    return True
