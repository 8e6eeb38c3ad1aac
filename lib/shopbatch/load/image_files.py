"""The files of a folder of pictures, each with its SHA-256, or with the reason why it is not even opened."""

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
    """A file.

    Attributes:
        folder: The folder that is loaded.
        name: Its path in there, with slashes.
        sha256: Of its content; empty if it is refused.
        size: Its bytes.
        reason: Why it is not opened: link, not_a_file, bad_name, too_large or unreadable; empty if it is.
    """

    folder: Path
    name: str
    sha256: str = ""
    size: int = 0
    reason: str = ""

    def read(self) -> bytes:
        """Return the content, at most a byte more than a picture may have; no link is followed. Raises OSError."""
        with os.fdopen(os.open(self.folder / self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MOST_BYTES + 1)


def walk(folder: Path, leave_out: str | None = None) -> Iterator[Found]:
    """Yield all files of a folder and of the folders in it, in the order of their names.

    Args:
        folder: The folder. What begins with a dot is left out.
        leave_out: A file that is no picture: the list of products.

    Raises:
        UserError: The folder cannot be read.
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
    raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
