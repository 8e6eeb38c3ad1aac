"""Unpacks a zip file into a temporary folder, from which it is loaded like any other file or folder."""

from __future__ import annotations

import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from shopbatch.core.errors import Stopped, UserError, one_line
from shopbatch.core.inside import relative_name
from shopbatch.core.scratch import scratch
from shopbatch.load.bounds import refuse_bomb
from shopbatch.warehouse import files

_MOST_MEMBERS = 100_000
_COPY_BYTES = 2**20
_ENCRYPTED = 0x1
_ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar")


@contextmanager
def unpacked(path: Path, max_gb: float | None = None) -> Iterator[Path]:
    """Unpack a zip file into a temporary folder, which is removed at the end of the `with` block, also after an error.

    The copy keeps the names and folders of the members. Files and folders whose names begin with a dot are left out,
    and so is `__MACOSX`, which macOS adds.

    Args:
        path: The zip file.
        max_gb: Gigabytes that the user allows it to become when unpacked; None: the usual limits
            (`bounds.refuse_bomb`).

    Yields:
        The path of the unpacked file if there is only one; otherwise the path of a folder with all unpacked files,
        which is named like the zip file.

    Raises:
        UserError: The zip file is damaged, empty or encrypted, contains another archive, a link or a name that leads
            out of the folder, or becomes too large.
        Stopped: The disk is full.
    """
    with scratch("shopbatch-zip-") as temporary:
        folder = temporary / path.name
        try:
            with zipfile.ZipFile(path) as archive:
                members = _members(archive, path)
                # sums the sizes that the archive states, which are never exceeded; members may share their bytes
                refuse_bomb(path, sum(m.file_size for m in members.values()), path.stat().st_size, max_gb)
                for name, member in members.items():
                    _extract(archive, member, folder / name)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
            raise UserError(f"{path}: not a readable zip file: {one_line(error, 200)}") from None
        except OSError as error:
            if files.is_full(error):
                raise Stopped(f"{tempfile.gettempdir()}: {one_line(error)}; nothing was loaded") from None
            raise UserError(f"{path}: cannot be unpacked: {one_line(error.strerror or error, 200)}") from None
        yield folder / next(iter(members)) if len(members) == 1 else folder


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip file that are to be unpacked, as a dict from their paths with forward slashes.

    Raises:
        UserError: A member is encrypted, a link, another archive, or leads out of the archive; two members have the
            same name; or there are none or more than `_MOST_MEMBERS`.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = _name(member, path)
        parts = PurePosixPath(name).parts
        if member.filename.endswith(("/", "\\")) or any(part[0] == "." or part == "__MACOSX" for part in parts):
            continue
        if member.flag_bits & _ENCRYPTED:
            raise UserError(f"{path}: {name!r} is encrypted; unpack it first")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise UserError(f"{path}: {name!r} is a link or a special file; zip the files themselves")
        if PurePosixPath(name).suffix.lower() in _ARCHIVES:
            raise UserError(f"{path}: {name!r} is an archive inside the archive; unpack it first")
        members[name] = member
    if not members:
        raise UserError(f"{path}: the zip file holds no files")
    repeated = [name for name, times in Counter(m.casefold() for m in members).items() if times > 1]
    if repeated or len(members) > _MOST_MEMBERS:
        raise UserError(f"{path}: {f'{repeated[0]!r} is in it twice' if repeated else 'more than 100,000 files'}")
    return members


def _name(member: zipfile.ZipInfo, path: Path) -> str:
    """Return a member's path inside the archive, with forward slashes. UserError if it leads out of the archive."""
    try:
        return relative_name(str(PurePosixPath(member.filename.replace("\\", "/"))), str(path))
    except UserError:
        raise UserError(f"{path}: {member.filename!a} leads out of the archive; it is not unpacked") from None


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one member to a new file `target`.

    `zipfile` reads no more bytes than the archive states for the member, and checks its CRC-32.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink, _COPY_BYTES)
