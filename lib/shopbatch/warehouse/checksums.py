"""Checksums of files on this machine's file system: a Parquet file has its own within, another file has one beside it.

A Parquet file's checksum is XXH3-64 over all its bytes. It stands in the footer, where other readers ignore it, behind
the file's size, and is computed as if both were zeros. So it moves with the file and needs no entry in Delta's log. A
file with another size is one into which another program has copied the entry, and has none. The checksums of pages,
which Parquet has as well, protect neither a footer nor a page's header.

Files that Delta names itself (its log) have a file of CRC-32 sums beside them, as Hadoop and Spark keep it:
`.00000000000000000001.json.crc`.

Object stores check what they keep themselves. Files there have checksums, too, but only `shopbatch verify` uses them.
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
# the key, what Parquet or the JSON of Spark's schema has between key and value, and the value
_ENTRY = re.compile(re.escape(KEY).encode() + rb"[^0-9a-f]{2,4}([0-9a-f]{32})")
_TAIL = 8  # bytes of a Parquet file after its footer: the footer's length and the magic word
_READ = 1 << 22  # bytes that are read at a time
_CHUNK = 1 << 20  # bytes of another file per sum
_MAGIC = b"crc\0"
_UNREADABLE = (errno.EIO, errno.EISDIR, errno.EACCES, errno.EPERM)


class DamagedFile(UserError):
    """A file whose bytes are not those that were written, or a state file that cannot be read as what it should be.

    Attributes:
        uri: The file.
        why: How it is known.
    """

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(uri, why)  # both, so that the error survives the way from a Ray task to the driver
        self.uri, self.why = uri, why

    @property
    def said(self) -> str:
        """Which file is damaged, for a message that says itself what is done about it."""
        return f"{self.uri} is damaged ({self.why})"

    def __str__(self) -> str:
        table = table_of(self.uri)
        do = "restore it from a backup" + (", or fill the table anew" if table else "")
        return f"{table}file {self.said}: {do}; `shopbatch verify` lists all that is damaged"


def table_of(uri: str) -> str:
    """Name the table in whose folder a file lies, for a message; empty if it is in none."""
    for folder in Path(uri).parents:
        if (folder / "_delta_log").is_dir():
            return f"table {folder.name!r}: "
    return ""


def to_parquet(data: pa.Table, row_group: int | None = None) -> bytearray:
    """Return a table as the bytes of a Parquet file with checksums, and with statistics where columns may have them."""
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
    """Enter the checksum into the bytes of a Parquet file that holds KEY with the value NONE."""
    tail = data[len(data) - _footer(data[-_TAIL:], len(data)) :]
    if (entry := _ENTRY.search(tail)) is not None:
        place = len(data) - len(tail) + entry.start(1)
        data[place : place + len(NONE)] = NONE.encode()
        with memoryview(data) as view:
            checksum = xxhash.xxh3_64(view).hexdigest()
        data[place : place + len(NONE)] = _value(len(data), checksum)


def stamp_file(path: str) -> None:
    """Enter the checksum into a Parquet file, as `stamp` does."""
    with open(path, "r+b") as file:
        place, _, size = _entry(file)
        if place:
            checksum = _sum(file, place)
            file.seek(place)
            file.write(_value(size, checksum))


def is_stamped(file: Any) -> bool:
    """Whether an open Parquet file has a checksum of its own."""
    _, value, size = _entry(file)
    return value[:16] == _value(size, "")


def trouble(file: Any) -> str:
    """Say what is wrong with the bytes of an open Parquet file; empty if nothing is, or if it has no checksum."""
    place, value, size = _entry(file)
    if value[:16] != _value(size, "") or _value(size, _sum(file, place)) == value:
        return ""
    return "its bytes do not match its checksum"


def _entry(file: Any) -> tuple[int, bytes, int]:
    """Where the value of KEY stands in an open Parquet file (0: nowhere), the value, and the size of the file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    file.seek(size - (footer := _footer(file.read(_TAIL), size)))
    entry = _ENTRY.search(file.read(footer))
    return (0, b"", size) if entry is None else (size - footer + entry.start(1), entry[1], size)


def _value(size: int, checksum: str) -> bytes:
    return f"{size:016x}{checksum}".encode()


def check_parquet(path: str) -> None:
    """Raise DamagedFile if a Parquet file does not match its checksum. A file is read once per process for this."""
    _once(path, path, lambda: _trouble_of_file(path))


def _trouble_of_file(path: str) -> str:
    with open(path, "rb") as file:  # not mapped into memory: a bad sector would then end the process
        if is_stamped(file):
            return trouble(file)
    try:  # damage of many bytes takes the checksum away
        pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        return one_line(error, 200) or type(error).__name__
    return ""


def _footer(tail: bytes | bytearray, size: int) -> int:
    """How many bytes from the end of a file the footer begins, by the file's last bytes."""
    return min(int.from_bytes(tail[:4], "little") + _TAIL, size) if len(tail) == _TAIL else size


def _sum(file: Any, place: int) -> str:
    """XXH3-64 of an open file as hex digits, the value of KEY taken as NONE."""
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
    """Return the name of the file with a file's sums."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.crc")


def sums(data: bytes) -> bytes:
    """Compute the contents of the file with the sums of these bytes."""
    parts = (zlib.crc32(data[start : start + _CHUNK]) for start in range(0, len(data), _CHUNK))
    return struct.pack(">4si", _MAGIC, _CHUNK) + b"".join(struct.pack(">I", part) for part in parts)


def check_beside(path: str) -> None:
    """Raise DamagedFile if a file does not match the sums beside it. Without such a file nothing is known."""
    _once(path, beside(path), lambda: trouble_beside(path))


def trouble_beside(path: str) -> str:
    """Say what is wrong with a file by the sums beside it; empty if nothing is, or if there are none.

    A file of sums that is empty, cut or something else says nothing about the file that it is beside.
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


_checked: dict[str, tuple[int, ...]] = {}  # path -> what the file system said of it when it was last checked


def _once(path: str, other: str, examine: Callable[[], str]) -> None:
    """Examine a file unless it was examined as it is now. DamagedFile if something is wrong."""
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
