"""Lists the files of a folder of pictures, each with its SHA-256, or with the reason why it is not opened."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.core.inside import relative_name
from shopbatch.pictures.reading import MOST_BYTES


@dataclass(frozen=True, slots=True)
class Found:
    """One file in the folder that is loaded.

    Attributes:
        folder: The folder.
        name: The file's path in the folder, with slashes.
        sha256: SHA-256 of its content in hex digits; "" if it was not opened.
        size: Its size in bytes; 0 if it is unknown.
        reason: Why it was not opened: link, not_a_file, bad_name, too_large or unreadable; "" if it was.
    """

    folder: Path
    name: str
    sha256: str = ""
    size: int = 0
    reason: str = ""

    def read(self) -> bytes:
        """Return the content, at most one byte more than the limit for a picture; links are not followed.

        Raises:
            OSError: The file cannot be read.
        """
        with os.fdopen(os.open(self.folder / self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MOST_BYTES + 1)


def walk(folder: Path, leave_out: str | None = None) -> Iterator[Found]:
    """Yield all files of a folder and its subfolders, in order of name within each folder.

    Args:
        folder: The folder; names that begin with a dot are left out.
        leave_out: A file to leave out: the user's list of products; None if there is none.

    Raises:
        UserError: A folder cannot be read.
    """
    other = None if leave_out is None else Path(leave_out).resolve()
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(parent) / name
            if not name.startswith(".") and (other is None or path.resolve() != other):
                yield _found(folder, path)
        folders[:] = [name for name in folders if name not in links]


def _found(folder: Path, path: Path) -> Found:
    """Read and hash one file; if it must not or cannot be opened, return it with the reason instead."""
    name = path.relative_to(folder).as_posix()
    try:
        relative_name(name, "picture")
    except UserError:
        shown = name.encode("utf-8", "backslashreplace").decode()
        return Found(folder, "".join(c if c.isprintable() else "?" for c in shown)[:200], reason="bad_name")
    try:
        mode = path.lstat()
        if stat.S_ISLNK(mode.st_mode):
            return Found(folder, name, reason="link")
        if not stat.S_ISREG(mode.st_mode):
            return Found(folder, name, reason="not_a_file")
        if mode.st_size > MOST_BYTES:
            return Found(folder, name, size=mode.st_size, reason="too_large")
        data = Found(folder, name).read()
    except OSError:
        return Found(folder, name, reason="unreadable")
    return Found(folder, name, hashlib.sha256(data).hexdigest(), len(data))


def _refuse(error: OSError) -> None:
    """Raise UserError for a folder that cannot be listed."""
    raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
