"""The index as files: `<warehouse>/_indexes/search/<key>/`, named by what it is made of and never changed.

The key is a digest of the rows, the vectors' recipe and all settings. The commit of product_embeddings that shows the
rows has the key in its metadata: so a reader that opens a version of the table finds the index of these rows, and a run
that is killed before the commit has shown neither. The manifest is written last; a folder without one is nothing.

A reader that needs an index for longer holds a lease, `_indexes/search/_leases/<run>.json`. When an index is shown,
those are deleted that neither a lease nor the table's version before names.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import xxhash
from pydantic import ValidationError

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.language_vectors import LanguageVectors
from shopbatch.capabilities.search.lexical import LexicalIndex
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.capabilities.search.stated import Stated, vocabulary_of, vocabulary_table
from shopbatch.capabilities.search.synonyms import Synonyms
from shopbatch.core.config import Strict
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.vectors.dense import DenseIndex
from shopbatch.vectors.lists import Lists
from shopbatch.warehouse import files
from shopbatch.warehouse.folder_sums import missing_or_damaged

FORMAT = 3  # of the files; an index of another format is made again
FOLDER = "_indexes/search"
MANIFEST = "manifest.json"
LEASE_SECONDS = 6 * 3600.0
_ROWS = 65_536  # of an array that are written at once
_ARRAYS = ("codes", "scales", "fine", "starts", "posting_products", "posting_scores")
_LISTS = ("centres", "members", "list_starts")


class EncoderUsed(Strict):
    """The encoder whose vectors an index holds: a query's vector must be of the same one."""

    engine: dict[str, Any]
    """The engine's settings that can change a vector."""
    digest: str
    """Digest of the model."""
    reference: str
    """The model in the warehouse's registry, as `name@digest`; empty for the fake engine."""
    asked: str
    """The model as the configuration of embed_products names it."""
    query_prefix: str
    """Text put before a query."""


class Manifest(Strict):
    """What an index is made of."""

    format: int
    """Version of the files and of the terms."""
    key: str
    """Name of the index."""
    recipe: str
    """Recipe of the vectors."""
    encoder: EncoderUsed
    """The encoder."""
    products: int
    """Number of products."""
    languages: dict[str, int]
    """Products by language."""
    lexical: LexicalSettings
    """How words are scored."""
    fusion: FusionSettings
    """How the two scores become one."""
    nprobe: int = 0
    """Lists of vectors that a query reads; 0: the index has none, and a query reads all vectors."""
    stated: str
    """Digest of the vocabulary by which the products' statements were read; empty if they were not."""
    files: dict[str, str]
    """XXH3 checksum of each file, 16 hex digits."""


def write_index(root: str, manifest: Manifest, index: SearchIndex) -> None:
    """Write an index, over what is left of one that is not whole.

    Args:
        root: The warehouse.
        manifest: What it is made of; `files` and `nprobe` are filled in.
        index: The index.
    """
    folder = f"{root}/{FOLDER}/{manifest.key}"
    lexical, dense = index.lexical, index.dense
    arrays = (dense.codes, dense.scales, dense.fine, lexical.starts, lexical.products, lexical.scores)
    sums = {f"{name}.npy": _write_array(folder, name, a) for name, a in zip(_ARRAYS, arrays, strict=True)}
    if (lists := dense.lists) is not None:
        of_lists = zip(_LISTS, (lists.centres, lists.members, lists.starts), strict=True)
        sums |= {f"{name}.npy": _write_array(folder, name, array) for name, array in of_lists}
    sums["languages.parquet"] = _write_table(folder, "languages", _spoken_table(index.spoken))
    sums["terms.parquet"] = _write_table(folder, "terms", pa.table({"term": lexical.vocabulary.to_arrow()}))
    sums["products.parquet"] = _write_table(folder, "products", index.products)
    sums["synonyms.parquet"] = _write_table(folder, "synonyms", index.synonyms.table)
    if index.stated is not None:
        sums["stated.parquet"] = _write_table(folder, "stated", index.stated.table())
        sums["vocabulary.parquet"] = _write_table(folder, "vocabulary", vocabulary_table(index.stated.vocabulary))
    crash_point("index_written")
    if isinstance(files.filesystem(folder)[0], pafs.LocalFileSystem):
        files.sync_folder(files.filesystem(folder)[1])  # a commit must not outlive what it names
    filled = {"files": sums, "nprobe": lists.nprobe if lists is not None else 0}
    text = manifest.model_copy(update=filled).model_dump_json(indent=1)
    files.write_bytes(f"{folder}/{MANIFEST}", text.encode())


def read_manifest(folder: str) -> Manifest:
    """Read the manifest of an index.

    Raises:
        FileNotFoundError: There is none.
        UserError: The index is of another version of shopbatch.
    """
    fs, path = files.filesystem(folder)
    with fs.open_input_stream(f"{path}/{MANIFEST}") as stream:
        text = stream.read()
    try:
        tree = json.loads(text)
    except ValueError:
        raise FileNotFoundError(f"{folder}/{MANIFEST} is damaged") from None
    if isinstance(tree, dict) and tree.get("format") != FORMAT:
        do = "make it again with `shopbatch run embed_products`"
        raise UserError(f"the search index is of another version of shopbatch: {do}")
    try:
        manifest = Manifest.model_validate(tree)
    except ValidationError:
        raise FileNotFoundError(f"{folder}/{MANIFEST} is damaged") from None
    return manifest


def is_whole(folder: str) -> bool:
    """Whether a folder holds a complete index of this version."""
    try:
        return not missing_or_damaged(folder, read_manifest(folder).files)
    except (FileNotFoundError, UserError):
        return False


def read_index(folder: str, manifest: Manifest) -> SearchIndex:
    """Open an index. On a disk its large arrays are mapped into memory, so that processes share them.

    Raises:
        UserError: A file is missing or damaged.
    """
    if why := missing_or_damaged(folder, manifest.files):
        do = "make it again with `shopbatch run embed_products`"
        raise UserError(f"the search index {manifest.key} is damaged ({why}): {do}")
    codes, scales, fine, starts, products, scores = (_read_array(folder, name) for name in _ARRAYS)
    lists = None
    if manifest.nprobe:
        centres, members, list_starts = (_read_array(folder, name) for name in _LISTS)
        lists = Lists(centres, members, list_starts, manifest.nprobe)
    terms = pl.Series("term", _read_table(folder, "terms")["term"]).cast(pl.String)
    return SearchIndex(
        _read_table(folder, "products"),
        LexicalIndex(terms, starts, products, scores, manifest.products),
        DenseIndex(codes, scales, fine, lists),
        _spoken(_read_table(folder, "languages"), codes.shape[1]),
        manifest.fusion,
        _read_stated(folder, manifest),
        Synonyms(_read_table(folder, "synonyms")),
    )


def _read_stated(folder: str, manifest: Manifest) -> Stated | None:
    if not manifest.stated:
        return None
    return Stated(vocabulary_of(_read_table(folder, "vocabulary")), partial(_read_table, folder, "stated"))


def stated_before(folder: str, vocabulary: str) -> pa.Table | None:
    """Read what the products of an earlier index state; None unless it is whole and read by an equal vocabulary."""
    if not is_whole(folder) or read_manifest(folder).stated != vocabulary:
        return None
    return _read_table(folder, "stated")


@lru_cache(maxsize=1)
def opened(folder: str, manifest: str) -> SearchIndex:
    """Open an index once in a process; arguments as for `read_index`, the manifest as JSON."""
    return read_index(folder, Manifest.model_validate_json(manifest))


@contextmanager
def lease(root: str, run_id: str, key: str) -> Iterator[None]:
    """Keep an index from being deleted inside the block."""
    place = f"{root}/{FOLDER}/_leases/{run_id}.json"
    files.write_bytes(place, json.dumps({"key": key}).encode(), durable=False)
    try:
        yield
    finally:
        files.remove(place)


def delete_old(root: str, keep: set[str]) -> list[str]:
    """Delete the indexes that no reader holds, and return their keys.

    Args:
        root: The warehouse.
        keep: Keys that stay in any case: that of the table's version, and of the one before it.
    """
    fs, path = files.filesystem(f"{root}/{FOLDER}")
    kept, gone = keep | _leased(fs, path), []
    for entry in files.entries(fs, path):
        if (
            entry.type == pafs.FileType.Directory
            and not entry.base_name.startswith("_")
            and entry.base_name not in kept
        ):
            fs.delete_dir(entry.path)
            gone.append(entry.base_name)
    return sorted(gone)


def _leased(fs: pafs.FileSystem, path: str) -> set[str]:
    """The keys that readers hold. A lease that its run has not taken back for hours is that of a dead one."""
    keys = set()
    for info in files.entries(fs, f"{path}/_leases"):
        if info.mtime is None or time.time() - info.mtime.timestamp() > LEASE_SECONDS:
            continue
        try:
            with fs.open_input_stream(info.path) as stream:
                keys.add(str(json.loads(stream.read())["key"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue
    return keys


_SIDES = ("products", "queries", "maps")
_SPOKEN = pa.schema([("side", pa.string()), ("name", pa.string()), ("values", pa.list_(pa.float32()))])


def _spoken_table(spoken: LanguageVectors) -> pa.Table:
    rows = [
        {"side": side, "name": name, "values": values.astype(np.float32).ravel()}
        for side in _SIDES
        for name, values in sorted(getattr(spoken, side).items())
    ]
    return pa.Table.from_pylist(rows, _SPOKEN)


def _spoken(table: pa.Table, dim: int) -> LanguageVectors:
    sides: dict[str, dict[str, np.ndarray]] = {side: {} for side in _SIDES}
    for row in table.to_pylist():
        values = np.asarray(row["values"], np.float32)
        sides[row["side"]][row["name"]] = values.reshape(dim, dim) if row["side"] == "maps" else values
    return LanguageVectors(**sides)


def _write_array(folder: str, name: str, array: np.ndarray) -> str:
    """Write an array without a copy of it in memory; returns the file's checksum."""
    fs, path = files.filesystem(folder)
    fs.create_dir(path)
    head, hashed = io.BytesIO(), xxhash.xxh3_64()
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_2_0(head, np.lib.format.header_data_from_array_1_0(array))
    pieces = (array[start : start + _ROWS].tobytes() for start in range(0, len(array), _ROWS))
    with fs.open_output_stream(f"{path}/{name}.npy") as out:
        for piece in chain([head.getvalue()], pieces):
            out.write(piece)
            hashed.update(piece)
    return hashed.hexdigest()


def _write_table(folder: str, name: str, table: pa.Table) -> str:
    """Write a table; returns the file's checksum."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    files.write_bytes(f"{folder}/{name}.parquet", buffer.getvalue())
    return xxhash.xxh3_64(buffer.getvalue()).hexdigest()


def _read_array(folder: str, name: str) -> np.ndarray:
    fs, path = files.filesystem(folder)
    if isinstance(fs, pafs.LocalFileSystem):
        return np.asarray(np.load(f"{path}/{name}.npy", mmap_mode="r", allow_pickle=False))
    with fs.open_input_stream(f"{path}/{name}.npy") as stream:
        return np.asarray(np.load(io.BytesIO(stream.read()), allow_pickle=False))


def _read_table(folder: str, name: str) -> pa.Table:
    fs, path = files.filesystem(folder)
    return pq.read_table(f"{path}/{name}.parquet", filesystem=fs)


def index_key(parts: Mapping[str, Any]) -> str:
    """Return the key of an index, 16 hex digits, from all that it is made of."""
    return digest({"format": FORMAT, **parts})
