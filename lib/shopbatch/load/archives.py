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
    """Unpack a zip file for as long as the block lasts; the copy is removed also if the block ends with an error.

    The copy keeps the names and folders of the members. Folders and files whose names begin with a dot, and what macOS
    adds (`__MACOSX`), are left out.

    Args:
        path: The zip file.
        max_gb: What the user allows it to become; None: what is usual.

    Yields:
        The file if the zip file holds one, else the folder that holds them; the folder has the name of the zip file.

    Raises:
        UserError: It is damaged, empty, encrypted or nested, holds a link or a name that leads out of the folder, or is
            much larger than it looks.
        Stopped: There is no space left for the copy.
    """
    with scratch("shopbatch-zip-") as temporary:
        folder = temporary / path.name
        try:
            with zipfile.ZipFile(path) as archive:
                members = _members(archive, path)
                # the sizes are what the archive says; more is never unpacked, and members may share their bytes
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
    """The files to unpack, by their names with slashes.

    Raises:
        UserError: One of them must not be unpacked, or there are none.
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
    """A member's name with slashes, as a path inside the folder: never absolute, and never upwards."""
    try:
        return relative_name(str(PurePosixPath(member.filename.replace("\\", "/"))), str(path))
    except UserError:
        raise UserError(f"{path}: {member.filename!a} leads out of the archive; it is not unpacked") from None


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one member. The module zipfile reads no more than the member's stated size, and checks its CRC-32."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink, _COPY_BYTES)
