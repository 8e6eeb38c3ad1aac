"""Searches every byte of a warehouse for erased persons, as a proof that is independent of the code that erases.

Every file is searched as raw bytes. Content that can be decoded is decoded and searched again: Parquet (all columns,
their dictionaries, the statistics of the footer), JSON inside JSON, HTML, and compressed files. An id that could also
be an ordinary number or word, such as 17 or anna, is searched for only in columns and keys that name users or reviews.
"""

from __future__ import annotations

import html
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.erasure.finder import Finder
from shopbatch.warehouse.files import entries, filesystem

# {name of a column or JSON key: whose ids it holds, a field of Needles}
NAMING = {name: "users" for name in ("user_id", "inviter_id", "invitee_id", "root_id")} | {"review_id": "reviews"}
APART = ("_erasures/pending.json", "_models/erasure.key")  # not searched: the erasure needs them
_WINDOW = 32  # length of a piece in characters
_SPECIFIC = 24  # in bytes; a shorter text may be anybody's, so it has no pieces
_AT_ONCE, _OVERLAP = 16 << 20, 1 << 10
_BATCH = 200_000  # texts that are searched together
_LONG_ID = 8  # in bytes; a shorter id may occur in compressed bytes by chance
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
_WEIGHTS = (".safetensors", ".bin")  # files of model weights: large, and not text
_TEXT = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
_WORD = frozenset(bytes([byte]) for byte in b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Hit:
    """A place where an erased person was found. The person is not named.

    Attributes:
        path: The file, relative to the warehouse.
        what: The part of the file, for example "its name" or "column user_id".
    """

    path: str
    what: str


@dataclass
class Scan:
    """Result of a scan.

    Attributes:
        files: Number of files read.
        bytes: Number of bytes read.
        hits: Places where an erased person was found.
    """

    files: int = 0
    bytes: int = 0
    hits: list[Hit] = field(default_factory=list)


@dataclass(frozen=True)
class Needles:
    """The strings that a scan searches for.

    Attributes:
        users: Ids of users.
        reviews: Ids of reviews.
        pieces: Parts of the texts of erased persons, up to 32 characters each, that nobody else wrote.
    """

    users: frozenset[str]
    reviews: frozenset[str]
    pieces: tuple[str, ...]

    @classmethod
    def of(cls, users: Iterable[str], reviews: Iterable[str], texts: Iterable[str], others: Iterable[str]) -> Needles:
        """Make the needles, whose pieces are those parts of `texts` that do not occur in the texts of other people.

        Args:
            users: Ids of users.
            reviews: Ids of reviews.
            texts: Texts that erased persons wrote.
            others: Texts of other people.
        """
        pieces = {piece.encode() for text in texts for piece in _pieces(text)}
        finder = Finder(pieces)
        for batch in _batches(others, _BATCH) if pieces else ():
            pieces -= {piece for _, piece in finder.find(_joined(batch))}
        return cls(frozenset(users), frozenset(reviews), tuple(sorted(piece.decode() for piece in pieces)))

    @cached_property
    def marks(self) -> list[str]:
        """Ids that cannot be ordinary words or numbers, so that they may be searched for anywhere; sorted."""
        return sorted(name for name in self.users | self.reviews if _is_mark(name))

    @cached_property
    def _finder(self) -> Finder:
        return Finder({text.encode() for text in (*self.marks, *self.pieces)})

    @cached_property
    def _names(self) -> set[bytes]:
        return {mark.encode() for mark in self.marks}

    def are_in(self, data: bytes, shortest: int = 0) -> bool:
        """Return True if bytes contain one of `marks` as a word of its own, or one of `pieces`.

        Args:
            data: The bytes.
            shortest: Shorter marks (in bytes) are ignored. Pieces of any length are looked for.
        """
        for position, text in self._finder.find(data):
            if text not in self._names:
                return True
            if len(text) >= shortest and _stands_alone(data, position, position + len(text)):
                return True
        return False

    def named_by(self, column: str, values: Iterable[Any]) -> bool:
        """Return True if a column or JSON key names users or reviews, and one of its values is an id to search for.

        Args:
            column: Name of the column or key; for a nested one, with its path.
            values: Its values; None is ignored.
        """
        kind = NAMING.get(column.rpartition(".")[2])
        wanted: frozenset[str] = getattr(self, kind) if kind else frozenset()
        return any(str(value).strip() in wanted for value in values if value is not None)

    def mentioned_in(self, texts: Iterable[str]) -> bool:
        """Return True if one of the texts contains one of `marks` as a word of its own, or one of `pieces`."""
        return self.are_in(_joined(texts))


def scan(root: str, needles: Needles) -> Scan:
    """Search every file of a warehouse for erased persons.

    Args:
        root: Folder or URI of the warehouse.
        needles: What to search for.
    """
    fs, base = filesystem(root)
    result = Scan()
    for info in entries(fs, base, recursive=True):
        path = info.path[len(base) :].lstrip("/")
        if info.type != pafs.FileType.File or path in APART:
            continue
        with fs.open_input_file(info.path) as stream:
            result.files, result.bytes = result.files + 1, result.bytes + (info.size or 0)
            result.hits += [Hit(path, what) for what in dict.fromkeys(_search(path, stream, needles))]
    return result


def _search(path: str, stream: Any, needles: Needles) -> Iterator[str]:
    """Yield the parts of one file in which a person was found: its name, its raw bytes, its decoded content."""
    if needles.mentioned_in(path.split("/")) or any(needles.named_by(*_folder(part)) for part in path.split("/")):
        yield "its name"
    if _in_bytes(stream, needles):
        yield "its bytes"
    stream.seek(0)
    name = path.lower()
    suffix = "." + name.rpartition(".")[2]
    magic = stream.read(4)
    stream.seek(0)
    if magic == b"PAR1":
        yield from _in_parquet(stream, needles)
    elif suffix in _COMPRESSED:
        yield from _in_compressed(stream, _COMPRESSED[suffix], needles)
    elif magic == b"PK\x03\x04":
        with zipfile.ZipFile(stream) as archive:
            yield from (f"{n} in it" for n in archive.namelist() if _in_text(archive.read(n), needles))
    elif suffix not in _WEIGHTS and _in_text(stream.read(), needles):
        yield "its text"


def _folder(part: str) -> tuple[str, list[str]]:
    """Split a folder's name "column=value" into the column and a list with the value."""
    column, _, value = part.partition("=")
    return column, [value]


def _in_bytes(stream: Any, needles: Needles) -> bool:
    """Return True if the raw bytes of a stream contain a mark of at least 8 bytes or a piece."""
    end = b""
    stream.seek(0)
    while data := stream.read(_AT_ONCE):
        if needles.are_in(end + data, _LONG_ID):
            return True
        end = data[-_OVERLAP:]
    return False


def _in_text(data: bytes, needles: Needles) -> bool:
    """Return True if UTF-8 text names a person; JSON, JSON lines and HTML are decoded. Other bytes give False."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    texts: dict[str, None] = dict.fromkeys([text, html.unescape(text)])
    named: dict[str, set[Any]] = {key: set() for key in NAMING}
    for value in _json_values(text):
        _gather(value, "", texts, named)
    return needles.mentioned_in(texts) or any(needles.named_by(key, values) for key, values in named.items())


def _json_values(text: str) -> Iterator[Any]:
    """Yield the value of a JSON text, else the value of each line that is a JSON object or list."""
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.splitlines():
            if line.lstrip()[:1] in ("{", "["):
                with suppress(ValueError):
                    yield json.loads(line)


def _gather(value: Any, key: str, texts: dict[str, None], named: dict[str, set[Any]]) -> None:
    """Collect the texts of a JSON value, also of JSON objects inside its strings, and the values of `named` keys.

    Args:
        value: The JSON value.
        key: The key whose value it is; "" at the top.
        texts: All keys and texts are added to it.
        named: {key that names users or reviews: its values}; the values found are added.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            texts[name] = None
            _gather(inner, name.rpartition(".")[2], texts, named)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, key, texts, named)
    else:
        if key in named and value is not None:
            named[key].add(value)
        if isinstance(value, str):
            texts[value] = None
            if value[:1] == "{":
                with suppress(ValueError):
                    _gather(json.loads(value), key, texts, named)


@dataclass(frozen=True)
class _Part:
    """Values of one Parquet column, from its pages or its statistics.

    Attributes:
        what: Description for `Hit.what`.
        column: Name of the column; for a nested one, with its path.
        texts: The values as text.
    """

    what: str
    column: str
    texts: list[str]

    @property
    def is_log(self) -> bool:
        """True if the values are the statistics column of a Delta checkpoint, which holds JSON."""
        return self.column.rpartition(".")[2] == "stats"


def _in_parquet(stream: Any, needles: Needles) -> Iterator[str]:
    """Yield the parts of a Parquet file in which a person was found; a damaged file counts as one."""
    waiting: list[_Part] = []
    size = 0
    try:
        # dictionaries may hold values that no row has; those of nested columns cannot be read
        names = [f.name for f in pq.read_schema(stream) if pa.types.is_string(f.type)]
        stream.seek(0)
        parquet = pq.ParquetFile(stream, read_dictionary=names)
        for part in _parts(parquet):
            waiting.append(part)
            size += len(part.texts)
            if size > _BATCH:  # one search of many texts is much faster than many searches
                yield from _in_parts(waiting, needles)
                waiting, size = [], 0
    except (pa.ArrowInvalid, OSError):
        yield "a damaged Parquet file, which cannot be searched"
    yield from _in_parts(waiting, needles)


def _in_parts(parts: list[_Part], needles: Needles) -> Iterator[str]:
    """Yield the description of each part that names a person."""
    any_mention = needles.mentioned_in(text for part in parts for text in part.texts)
    for part in parts:
        mentioned = any_mention and needles.mentioned_in(part.texts)
        in_log = part.is_log and any(_in_text(text.encode(), needles) for text in part.texts)
        if mentioned or in_log or needles.named_by(part.column, part.texts):
            yield part.what


def _parts(parquet: pq.ParquetFile) -> Iterator[_Part]:
    """Yield all text of a Parquet file, and the numbers in columns that name users or reviews."""
    meta = parquet.metadata
    for group in range(meta.num_row_groups):
        for index in range(meta.num_columns):
            column = meta.row_group(group).column(index)
            known = column.statistics
            if known is not None and known.has_min_max:
                with suppress(ValueError, OverflowError):  # invalid text, or a time outside of Python's range
                    name = column.path_in_schema
                    yield _Part(f"the statistics of column {name}", name, _as_texts([known.min, known.max]))
        rows = parquet.read_row_group(group)
        for name in rows.column_names:
            for chunk in rows[name].chunks:
                yield from _column(name, chunk)


def _column(name: str, values: pa.Array) -> Iterator[_Part]:
    """Yield the text of a column and of all columns nested in it."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary, values.dictionary.type
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _column(f"{name}.{kind.field(i).name}", values.field(i))
    elif pa.types.is_map(kind):
        yield from _column(f"{name}.key", values.keys)
        yield from _column(f"{name}.value", values.items)
    elif kind.num_fields:
        yield from _column(name, values.flatten())
    elif str(kind) in _TEXT:
        yield _Part(f"column {name}", name, _as_texts(values.cast(pa.large_binary()).unique().to_pylist()))
    elif pa.types.is_integer(kind) and name.rpartition(".")[2] in NAMING:
        yield _Part(f"column {name}", name, _as_texts(values.unique().to_pylist()))


def _as_texts(values: Iterable[Any]) -> list[str]:
    """Return values as strings, without None; bytes are decoded as UTF-8."""
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values if v is not None]


def _in_compressed(stream: Any, codec: str, needles: Needles) -> Iterator[str]:
    """Yield a description if a file's decompressed content names a person.

    A file that cannot be decompressed gives nothing; its raw bytes are searched by `_in_bytes`.
    """
    try:
        with pa.CompressedInputStream(stream, codec) as inner:
            data = inner.read()
    except (OSError, zlib.error, pa.ArrowInvalid):
        return
    if _in_text(data, needles) or _in_bytes(io.BytesIO(data), needles):
        yield f"what it holds ({codec})"


def _pieces(text: str) -> list[str]:
    """Return up to three parts of 32 characters from a text's beginning, middle and end; [] if it is under 24 bytes.

    White space is collapsed first.
    """
    flat = " ".join(text.split())
    if len(flat.encode()) < _SPECIFIC:
        return []
    last = max(0, len(flat) - _WINDOW)
    return [flat[i : i + _WINDOW].strip() for i in sorted({0, last // 2, last})]


def _is_mark(name: str) -> bool:
    """Return True if an id may be searched for anywhere, because it is hardly an ordinary word or number.

    It has at least 4 characters. If it has only digits, it needs 9; if it has only letters, 12.
    """
    if len(name) < 4:
        return False
    if name.isdigit():
        return len(name) > 8
    return len(name) >= 12 or not name.isalpha()


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    """Return True if no letter, digit, "_" or "-" stands directly before or after an id in bytes."""
    return data[max(0, start - 1) : start] not in _WORD and data[end : end + 1] not in _WORD


def _joined(texts: Iterable[str]) -> bytes:
    """Return texts as UTF-8 bytes, one per line, with white space collapsed."""
    return "\n".join(" ".join(text.split()) for text in texts).encode("utf-8", "replace")


def _batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the values in lists of `size`; the last list may be shorter."""
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
