"""Looks for erased persons in every byte of a warehouse. It shares no code with what erases them.

Every file is searched as raw bytes. What can be decoded is decoded and searched again: Parquet (all columns, their
dictionaries, the statistics of the footer), JSON in JSON, HTML, and compressed files. An id that could also be an
ordinary number or word, such as 17 or anna, is looked for only where a column or a key says that it names a user or a
review.
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

# the names of columns and keys, and the ids that they hold
NAMING = {name: "users" for name in ("user_id", "inviter_id", "invitee_id", "root_id")} | {"review_id": "reviews"}
APART = ("_erasures/pending.json", "_models/erasure.key")  # what the erasure itself needs until it has ended
_WINDOW = 32  # characters of a text that are looked for at a time
_SPECIFIC = 24  # bytes; a shorter text may be anybody's
_AT_ONCE, _OVERLAP = 16 << 20, 1 << 10
_BATCH = 200_000  # texts of a Parquet file that are searched at a time
_LONG_ID = 8  # bytes; a shorter id may stand in compressed bytes by chance
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
_WEIGHTS = (".safetensors", ".bin")  # of models: large, and no text
_TEXT = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
_WORD = frozenset(bytes([byte]) for byte in b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Hit:
    """A place where an erased person still stands. The person is not named."""

    path: str
    what: str


@dataclass
class Scan:
    """What a scan has read and seen."""

    files: int = 0
    bytes: int = 0
    hits: list[Hit] = field(default_factory=list)


@dataclass(frozen=True)
class Needles:
    """What is looked for: ids of users, ids of reviews, and pieces of their texts that nobody else has written."""

    users: frozenset[str]
    reviews: frozenset[str]
    pieces: tuple[str, ...]

    @classmethod
    def of(cls, users: Iterable[str], reviews: Iterable[str], texts: Iterable[str], others: Iterable[str]) -> Needles:
        """Choose the pieces of the texts that do not occur in the texts of others."""
        pieces = {piece.encode() for text in texts for piece in _pieces(text)}
        finder = Finder(pieces)
        for batch in _batches(others, _BATCH) if pieces else ():
            pieces -= {piece for _, piece in finder.find(_joined(batch))}
        return cls(frozenset(users), frozenset(reviews), tuple(sorted(piece.decode() for piece in pieces)))

    @cached_property
    def marks(self) -> list[str]:
        """The ids that cannot be ordinary words or numbers."""
        return sorted(name for name in self.users | self.reviews if _is_mark(name))

    @cached_property
    def _finder(self) -> Finder:
        return Finder({text.encode() for text in (*self.marks, *self.pieces)})

    @cached_property
    def _names(self) -> set[bytes]:
        return {mark.encode() for mark in self.marks}

    def are_in(self, data: bytes, shortest: int = 0) -> bool:
        """Whether bytes hold an id that is a mark, of `shortest` bytes or more, or a piece of a text."""
        for position, text in self._finder.find(data):
            if text not in self._names:
                return True
            if len(text) >= shortest and _stands_alone(data, position, position + len(text)):
                return True
        return False

    def named_by(self, column: str, values: Iterable[Any]) -> bool:
        """Whether one of the values of a column or key that names users or reviews is looked for."""
        kind = NAMING.get(column.rpartition(".")[2])
        wanted: frozenset[str] = getattr(self, kind) if kind else frozenset()
        return any(str(value).strip() in wanted for value in values if value is not None)

    def mentioned_in(self, texts: Iterable[str]) -> bool:
        """Whether one of the texts holds an id that is a mark, or a piece of a text."""
        return self.are_in(_joined(texts))


def scan(root: str, needles: Needles) -> Scan:
    """Search every file of a warehouse; `root` is its folder or URI."""
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
    """Yield what is seen in one file: its name, its raw bytes, and what they decode to."""
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
    """A folder `column=value` as column and values."""
    column, _, value = part.partition("=")
    return column, [value]


def _in_bytes(stream: Any, needles: Needles) -> bool:
    end = b""
    stream.seek(0)
    while data := stream.read(_AT_ONCE):
        if needles.are_in(end + data, _LONG_ID):
            return True
        end = data[-_OVERLAP:]
    return False


def _in_text(data: bytes, needles: Needles) -> bool:
    """Search what is UTF-8 text; JSON (also one value a line) and HTML are decoded."""
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
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.splitlines():
            if line.lstrip()[:1] in ("{", "["):
                with suppress(ValueError):
                    yield json.loads(line)


def _gather(value: Any, key: str, texts: dict[str, None], named: dict[str, set[Any]]) -> None:
    """Collect the texts of a JSON value, and what stands under keys that name users or reviews."""
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
    """Values of one column, from its pages or from its statistics."""

    what: str
    column: str
    texts: list[str]

    @property
    def is_log(self) -> bool:
        """Whether the values are the statistics of a checkpoint, which are JSON."""
        return self.column.rpartition(".")[2] == "stats"


def _in_parquet(stream: Any, needles: Needles) -> Iterator[str]:
    waiting: list[_Part] = []
    size = 0
    try:
        # a dictionary may hold values that no row has; of nested columns only the values of rows can be read
        names = [f.name for f in pq.read_schema(stream) if pa.types.is_string(f.type)]
        stream.seek(0)
        parquet = pq.ParquetFile(stream, read_dictionary=names)
        for part in _parts(parquet):
            waiting.append(part)
            size += len(part.texts)
            if size > _BATCH:  # one search of many texts costs much less than many searches
                yield from _in_parts(waiting, needles)
                waiting, size = [], 0
    except (pa.ArrowInvalid, OSError):
        yield "a damaged Parquet file, which cannot be searched"
    yield from _in_parts(waiting, needles)


def _in_parts(parts: list[_Part], needles: Needles) -> Iterator[str]:
    any_mention = needles.mentioned_in(text for part in parts for text in part.texts)
    for part in parts:
        mentioned = any_mention and needles.mentioned_in(part.texts)
        in_log = part.is_log and any(_in_text(text.encode(), needles) for text in part.texts)
        if mentioned or in_log or needles.named_by(part.column, part.texts):
            yield part.what


def _parts(parquet: pq.ParquetFile) -> Iterator[_Part]:
    """Everything in a file that is text, and the numbers in columns that name users or reviews."""
    meta = parquet.metadata
    for group in range(meta.num_row_groups):
        for index in range(meta.num_columns):
            column = meta.row_group(group).column(index)
            known = column.statistics
            if known is not None and known.has_min_max:
                with suppress(ValueError, OverflowError):  # no text, or no moment that Python has
                    name = column.path_in_schema
                    yield _Part(f"the statistics of column {name}", name, _as_texts([known.min, known.max]))
        rows = parquet.read_row_group(group)
        for name in rows.column_names:
            for chunk in rows[name].chunks:
                yield from _column(name, chunk)


def _column(name: str, values: pa.Array) -> Iterator[_Part]:
    """A column with all its parts."""
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
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values if v is not None]


def _in_compressed(stream: Any, codec: str, needles: Needles) -> Iterator[str]:
    try:
        with pa.CompressedInputStream(stream, codec) as inner:
            data = inner.read()
    except (OSError, zlib.error, pa.ArrowInvalid):
        return
    if _in_text(data, needles) or _in_bytes(io.BytesIO(data), needles):
        yield f"what it holds ({codec})"


def _pieces(text: str) -> list[str]:
    """Pieces of a text from its beginning, middle and end, white space collapsed; none of a short one."""
    flat = " ".join(text.split())
    if len(flat.encode()) < _SPECIFIC:
        return []
    last = max(0, len(flat) - _WINDOW)
    return [flat[i : i + _WINDOW].strip() for i in sorted({0, last // 2, last})]


def _is_mark(name: str) -> bool:
    """Whether an id is recognised wherever it stands: it has letters and digits or signs, or is very long."""
    if len(name) < 4:
        return False
    if name.isdigit():
        return len(name) > 8
    return len(name) >= 12 or not name.isalpha()


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    """Whether the bytes of an id stand there without letters or digits around them."""
    return data[max(0, start - 1) : start] not in _WORD and data[end : end + 1] not in _WORD


def _joined(texts: Iterable[str]) -> bytes:
    """Texts as bytes, white space collapsed, one a line."""
    return "\n".join(" ".join(text.split()) for text in texts).encode("utf-8", "replace")


def _batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
