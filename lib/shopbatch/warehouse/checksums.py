"""Checksums of local files: of a Parquet file in its footer, of a file of Delta's log in a `.crc` file beside it.

The checksum of a Parquet file is XXH3-64 over all its bytes, as if the checksum's own entry were zeros. That entry
(size of the file and checksum) is in the footer's metadata, where other readers ignore it. So the checksum moves with
the file and needs no place in Delta's log. If the stored size differs from the file's, another program has copied the
metadata into a file that it wrote, and the file counts as one without checksum. Parquet's own checksums of pages are
not enough, because they protect neither the footer nor the headers of pages.

Files whose names Delta prescribes (its log) have a file of CRC-32 sums beside them, in the format of Hadoop and Spark:
`.00000000000000000001.json.crc`.

Object stores check their own contents. Files there have checksums too, but only `shopbatch verify` uses them.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from shopbatch.core.errors import UserError, one_line
from shopbatch.tables.schema import hidden_columns
from shopbatch.warehouse.dictionaries import repeating_columns

KEY = "shopbatch.xxh3"
NONE = "0" * 32  # the place for size and checksum, 16 hex digits each
# matches the key, the bytes that Parquet or the JSON of Spark's schema puts between key and value, and the value
_ENTRY = re.compile(re.escape(KEY).encode() + rb"[^0-9a-f]{2,4}([0-9a-f]{32})")
_TAIL = 8  # bytes of a Parquet file after its footer: the footer's length and the magic word
_READ = 1 << 22  # bytes that are read at a time
_CHUNK = 1 << 20  # bytes of a file per CRC-32 sum
_MAGIC = b"crc\0"
_UNREADABLE = (errno.EIO, errno.EISDIR, errno.EACCES, errno.EPERM)


class DamagedFile(UserError):
    """The error for a file that does not hold the bytes that were written, or for a state file that is not as expected.

    Attributes:
        uri: Path or URI of the file.
        why: How the damage was noticed, such as "its bytes do not match its checksum"; the message shows it in
            brackets.
    """

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(uri, why)  # both, so that the error survives the way from a Ray task to the driver
        self.uri, self.why = uri, why

    @property
    def said(self) -> str:
        """The text "FILE is damaged (WHY)", for callers whose message adds what is done about the file."""
        return f"{self.uri} is damaged ({self.why})"

    def __str__(self) -> str:
        table = table_of(self.uri)
        do = "restore it from a backup" + (", or fill the table anew" if table else "")
        return f"{table}file {self.said}: {do}; `shopbatch verify` lists all that is damaged"


def table_of(uri: str) -> str:
    """Return "table 'NAME': " for a file in a local Delta table's folder, as the beginning of a message; else ""."""
    for folder in Path(uri).parents:
        if (folder / "_delta_log").is_dir():
            return f"table {folder.name!r}: "
    return ""


def to_parquet(data: pa.Table, row_group: int | None = None) -> bytearray:
    """Return the bytes of a Parquet file with the rows of a table, with checksums.

    Columns that are declared as hidden (`tables.schema.hidden_columns`) get no statistics.

    Args:
        data: The rows.
        row_group: Greatest number of rows of a row group; None: the default of pyarrow.
    """
    out, hidden = pa.BufferOutputStream(), hidden_columns(data.schema)
    bounded = [f.name for f in data.schema if f.name not in hidden and not f.type.num_fields]
    with pq.ParquetWriter(
        out,
        data.schema,
        compression="zstd",
        use_dictionary=repeating_columns(data),
        write_page_checksum=True,
        write_statistics=bounded if hidden else True,
    ) as writer:
        writer.write_table(data, row_group)
        writer.add_key_value_metadata({KEY: NONE})
    whole = bytearray(out.getvalue())
    stamp(whole)
    return whole


def stamp(data: bytearray) -> None:
    """Compute the checksum of a Parquet file in memory, and enter it in the file's footer.

    The footer must hold the metadata entry KEY with the value NONE, which reserves the place. Without it, nothing
    happens.

    Args:
        data: The bytes of the file, which are changed in place.
    """
    tail = data[len(data) - _footer(data[-_TAIL:], len(data)) :]
    if (entry := _ENTRY.search(tail)) is not None:
        place = len(data) - len(tail) + entry.start(1)
        data[place : place + len(NONE)] = NONE.encode()
        with memoryview(data) as view:
            checksum = xxhash.xxh3_64(view).hexdigest()
        data[place : place + len(NONE)] = _value(len(data), checksum)


def stamp_file(path: str) -> None:
    """Compute the checksum of a Parquet file on disk, and enter it in the file's footer (see `stamp`)."""
    with open(path, "r+b") as file:
        place, _, size = _entry(file)
        if place:
            checksum = _sum(file, place)
            file.seek(place)
            file.write(_value(size, checksum))


def is_stamped(file: Any) -> bool:
    """Return True if an open Parquet file has a checksum of its own."""
    _, value, size = _entry(file)
    return value[:16] == _value(size, "")


def trouble(file: Any) -> str:
    """Return what is wrong with the bytes of an open Parquet file; "" if nothing is, or if it has no checksum."""
    place, value, size = _entry(file)
    if value[:16] != _value(size, "") or _value(size, _sum(file, place)) == value:
        return ""
    return "its bytes do not match its checksum"


def _entry(file: Any) -> tuple[int, bytes, int]:
    """Find the entry KEY in the footer of an open Parquet file.

    Returns:
        (position of its value in the file, 0 if there is none; the value; size of the file in bytes).
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    file.seek(size - (footer := _footer(file.read(_TAIL), size)))
    entry = _ENTRY.search(file.read(footer))
    return (0, b"", size) if entry is None else (size - footer + entry.start(1), entry[1], size)


def _value(size: int, checksum: str) -> bytes:
    return f"{size:016x}{checksum}".encode()


def check_parquet(path: str) -> None:
    """Raise DamagedFile if a local Parquet file does not match its checksum.

    A file is read once per process for this, unless it changes.
    """
    _once(path, path, lambda: _trouble_of_file(path))


def _trouble_of_file(path: str) -> str:
    with open(path, "rb") as file:  # no memory map: a bad sector would then end the process
        if is_stamped(file):
            return trouble(file)
    try:  # larger damage destroys the entry with the checksum, too
        pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        return one_line(error, 200) or type(error).__name__
    return ""


def _footer(tail: bytes | bytearray, size: int) -> int:
    """Return the number of bytes from the beginning of a Parquet file's footer to the end of the file.

    Args:
        tail: The last 8 bytes of the file, which hold the footer's length.
        size: Bytes of the file. It is returned if `tail` is too short or names a greater length.
    """
    return min(int.from_bytes(tail[:4], "little") + _TAIL, size) if len(tail) == _TAIL else size


def _sum(file: Any, place: int) -> str:
    """Return XXH3-64 of an open file as hex digits, computed as if the value of KEY were NONE."""
    hashed, left = xxhash.xxh3_64(), place
    file.seek(0)
    while left and (chunk := file.read(min(left, _READ))):
        hashed.update(chunk)
        left -= len(chunk)
    hashed.update(NONE.encode())
    file.seek(place + len(NONE))
    while chunk := file.read(_READ):
        hashed.update(chunk)
    return str(hashed.hexdigest())


def beside(path: str) -> str:
    """Return the path of the file that holds a file's sums: "a/b.json" -> "a/.b.json.crc"."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.crc")


def sums(data: bytes) -> bytes:
    """Return the content of a `.crc` file: CRC-32 sums of each MiB of these bytes."""
    parts = (zlib.crc32(data[start : start + _CHUNK]) for start in range(0, len(data), _CHUNK))
    return struct.pack(">4si", _MAGIC, _CHUNK) + b"".join(struct.pack(">I", part) for part in parts)


def check_beside(path: str) -> None:
    """Raise DamagedFile if a local file does not match the sums in the `.crc` file beside it.

    Without a `.crc` file it passes. A file is read once per process for this, unless it changes.
    """
    _once(path, beside(path), lambda: trouble_beside(path))


def trouble_beside(path: str) -> str:
    """Return what is wrong with a file according to the `.crc` file beside it; "" if nothing is known to be.

    A `.crc` file that is missing, empty, cut or of another format says nothing about the file.
    """
    try:
        known = Path(beside(path)).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return ""
    magic, chunk = struct.unpack(">4si", known[:8]) if len(known) >= 12 else (b"", 0)
    if magic != _MAGIC or chunk <= 0 or len(known) % 4:
        return ""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return ""
    parts = b"".join(struct.pack(">I", zlib.crc32(data[at : at + chunk])) for at in range(0, len(data), chunk))
    return "" if parts == known[8:] else f"its bytes do not match its checksums in {beside(path)}"


_checked: dict[str, tuple[int, ...]] = {}  # path -> its size, times and inode when it was last checked


def _once(path: str, other: str, examine: Callable[[], str]) -> None:
    """Examine a file, unless this process has examined it in its present state; DamagedFile if it is damaged.

    Args:
        path: The file.
        other: The file with its sums, or `path` again.
        examine: Returns what is wrong with the file, "" for nothing.
    """
    now = _state(path) + (_state(other) if other != path else ())
    if _checked.get(path) == now:
        return
    try:
        why = examine()
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        why = "the disk cannot read it" if error.errno == errno.EIO else f"it cannot be read: {error.strerror}"
    if why:
        raise DamagedFile(path, why)
    _checked[path] = now


def _state(path: str) -> tuple[int, ...]:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return ()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns
