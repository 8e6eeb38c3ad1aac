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
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.warehouse.files import filesystem

NAMING = {"user_id": "users", "review_id": "reviews"}  # the names of columns and keys, and the ids that they hold
APART = ("_erasures/pending.json", "_models/erasure.key")  # what the erasure itself needs until it has ended
_WINDOW = 32  # characters of a text that are looked for at a time
_SPECIFIC = 24  # bytes; a shorter text may be anybody's
_CHUNK, _AT_ONCE, _OVERLAP = 1 << 20, 64 << 20, 1 << 10
_LONG_ID = 8  # bytes; a shorter id may stand in compressed bytes by chance
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
_WEIGHTS = (".safetensors", ".bin")  # of models: large, and no text
_WORD = r"[A-Za-z0-9_-]"


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
        pieces = sorted({piece for text in texts for piece in _pieces(text)})
        shared: set[str] = set()
        if pieces:
            for batch in _batches((" ".join(text.split()) for text in others), 50_000):
                matches = pl.Series(batch).str.extract_many(pieces, overlapping=True).explode().drop_nulls()
                shared |= set(matches.to_list())
        return cls(frozenset(users), frozenset(reviews), tuple(p for p in pieces if p not in shared))

    @cached_property
    def marks(self) -> list[str]:
        """The ids that cannot be ordinary words or numbers."""
        return sorted(name for name in self.users | self.reviews if _is_mark(name))

    @cached_property
    def raw(self) -> list[str]:
        """What is looked for in raw bytes, each byte as one character."""
        names = [m for m in self.marks if len(m.encode()) >= _LONG_ID]
        return [n.encode().decode("latin-1") for n in (*names, *self.pieces)]

    def named_by(self, column: str, values: Iterable[Any]) -> bool:
        """Whether one of the values of a column or key that names users or reviews is looked for."""
        kind = NAMING.get(column.rpartition(".")[2])
        wanted: frozenset[str] = getattr(self, kind) if kind else frozenset()
        return any(str(value).strip() in wanted for value in values if value is not None)

    def mentioned_in(self, texts: Iterable[str]) -> bool:
        """Whether one of the texts holds an id that is a mark, or a piece of a text."""
        wanted = [*self.marks, *self.pieces]
        if not wanted:
            return False
        flat = pl.Series([" ".join(text.split()) for text in texts], dtype=pl.String)
        likely = flat.filter(flat.str.contains_any(wanted))
        marks, pieces = set(self.marks), set(self.pieces)
        for text, matches in zip(likely, likely.str.extract_many(wanted, overlapping=True), strict=True):
            if any(m in pieces or (m in marks and _stands_alone(m, text)) for m in set(matches)):
                return True
        return False


def scan(root: str, needles: Needles) -> Scan:
    """Search every file of a warehouse; `root` is its folder or URI."""
    fs, base = filesystem(root)
    result = Scan()
    for info in fs.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True)):
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
    wanted, end = needles.raw, b""
    if not wanted:
        return False
    stream.seek(0)
    while data := stream.read(_AT_ONCE):
        data = end + data
        starts = range(0, len(data), _CHUNK)
        chunks = pl.Series([data[max(0, i - _OVERLAP) : i + _CHUNK].decode("latin-1") for i in starts])
        likely = chunks.filter(chunks.str.contains_any(wanted))
        for text in likely:
            matches = pl.Series([text]).str.extract_many(wanted, overlapping=True)[0]
            if any(len(m) >= _SPECIFIC or _stands_alone(m, text) for m in set(matches)):
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


def _in_parquet(stream: Any, needles: Needles) -> Iterator[str]:
    try:
        # a dictionary may hold values that no row has; of nested columns only the values of rows can be read
        names = [f.name for f in pq.read_schema(stream) if pa.types.is_string(f.type)]
        stream.seek(0)
        parquet = pq.ParquetFile(stream, read_dictionary=names)
    except (pa.ArrowInvalid, OSError):
        yield "a damaged Parquet file, which cannot be searched"
        return
    yield from _in_statistics(parquet.metadata, needles)
    for group in range(parquet.num_row_groups):
        try:
            rows = parquet.read_row_group(group)
        except (pa.ArrowInvalid, OSError):
            yield "a damaged Parquet file, which cannot be searched"
            return
        for name in rows.column_names:
            for chunk in rows[name].chunks:
                yield from _in_column(name, chunk, needles)


def _in_statistics(meta: pq.FileMetaData, needles: Needles) -> Iterator[str]:
    for group in range(meta.num_row_groups):
        for index in range(meta.num_columns):
            column = meta.row_group(group).column(index)
            known = column.statistics
            if known is None or not known.has_min_max:
                continue
            try:
                bounds = [b.decode("utf-8", "replace") if isinstance(b, bytes) else b for b in (known.min, known.max)]
            except (ValueError, OverflowError):  # no text, or no moment that Python has
                continue
            texts = [b for b in bounds if isinstance(b, str)]
            if needles.named_by(column.path_in_schema, bounds) or needles.mentioned_in(texts):
                yield f"the statistics of column {column.path_in_schema}"


def _in_column(name: str, values: pa.Array, needles: Needles) -> Iterator[str]:
    """Search a column with all its parts."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary, values.dictionary.type
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _in_column(f"{name}.{kind.field(i).name}", values.field(i), needles)
    elif pa.types.is_map(kind):
        yield from _in_column(f"{name}.key", values.keys, needles)
        yield from _in_column(f"{name}.value", values.items, needles)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _in_column(name, values.values, needles)
    elif pa.types.is_integer(kind) and name.rpartition(".")[2] in NAMING:
        if needles.named_by(name, values.unique().to_pylist()):
            yield f"column {name}"
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        raw = values.cast(pa.large_binary()).unique().to_pylist()
        texts = [v.decode("utf-8", "replace") for v in raw if v is not None]
        if needles.named_by(name, texts) or needles.mentioned_in(texts):
            yield f"column {name}"
        elif name in ("stats", "add.stats", "remove.stats") and any(_in_text(v, needles) for v in raw if v):
            yield f"column {name}"


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


def _stands_alone(name: str, text: str) -> bool:
    """Whether an id stands in a text without letters or digits around it."""
    return re.search(rf"(?<!{_WORD}){re.escape(name)}(?!{_WORD})", text) is not None


def _batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
