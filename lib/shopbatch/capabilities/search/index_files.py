"""Reads and writes the search index as files in `<warehouse>/_indexes/search/<key>/`, which are never changed.

The key is a digest of the rows, the vectors' recipe and all settings. The commit of `product_embeddings` that publishes
the rows has the key in its metadata. So a reader that opens a version of the table finds the index of exactly these
rows, and a run that is killed before the commit has published neither rows nor index. The manifest is written last; a
folder without a manifest is ignored.

A reader that needs an index for longer writes a lease, `_indexes/search/_leases/<run>.json`. When a new index is
published, `delete_old` deletes all others, apart from those that a lease or the previous version of the table names.
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

FORMAT = 3  # of the files; an index of another format is built again
FOLDER = "_indexes/search"
MANIFEST = "manifest.json"
LEASE_SECONDS = 6 * 3600.0
_ROWS = 65_536  # of an array, written at once
_ARRAYS = ("codes", "scales", "fine", "starts", "posting_products", "posting_scores")
_LISTS = ("centres", "members", "list_starts")


class EncoderUsed(Strict):
    """The encoder whose vectors an index holds; the vector of a query must come from the same encoder."""

    engine: dict[str, Any]
    """The engine's settings that can change a vector, such as its kind."""
    digest: str
    """Digest of the model."""
    reference: str
    """The model in the warehouse's registry, as `name@digest`; empty for the fake engine."""
    asked: str
    """The model as the configuration of embed_products names it."""
    query_prefix: str
    """Text put before each query before it is encoded."""


class Manifest(Strict):
    """The contents of `manifest.json`: what an index was made from, and the checksums of its files."""

    format: int
    """Version of the file format; an index of another version cannot be read and is built again."""
    key: str
    """The index's key, 16 hex digits; the name of its folder."""
    recipe: str
    """The recipe under which `embed_products` computed the vectors."""
    encoder: EncoderUsed
    """The encoder whose vectors the index holds."""
    products: int
    """Number of products."""
    languages: dict[str, int]
    """Number of products by language ("und" for an unknown one)."""
    lexical: LexicalSettings
    """How words are scored: the settings of BM25F."""
    fusion: FusionSettings
    """How the lexical and the dense score are combined."""
    nprobe: int = 0
    """How many lists of vectors (IVF) a query reads; 0: the index has no lists, and a query reads all vectors."""
    stated: str
    """Digest of the vocabulary by which the products' colours, materials and so on were read; empty if they were not
    read."""
    files: dict[str, str]
    """XXH3 checksum of each file, 16 hex digits."""


def write_index(root: str, manifest: Manifest, index: SearchIndex) -> None:
    """Write an index into its folder; the manifest comes last, so that an incomplete index is recognised.

    Files that an earlier, interrupted run left in the folder are overwritten.

    Args:
        root: The warehouse.
        manifest: The versions and settings that the index was made from; `files` and `nprobe` are filled in here.
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
        files.sync_folder(files.filesystem(folder)[1])  # the index must be on disk before the commit that names it
    filled = {"files": sums, "nprobe": lists.nprobe if lists is not None else 0}
    text = manifest.model_copy(update=filled).model_dump_json(indent=1)
    files.write_bytes(f"{folder}/{MANIFEST}", text.encode())


def read_manifest(folder: str) -> Manifest:
    """Read the manifest of an index.

    Args:
        folder: The index's folder.

    Raises:
        FileNotFoundError: There is no manifest, or it is damaged.
        UserError: The index was written by another version of shopbatch.
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
    """Return True if a folder holds a complete, undamaged index of this version of shopbatch."""
    try:
        return not missing_or_damaged(folder, read_manifest(folder).files)
    except (FileNotFoundError, UserError):
        return False


def read_index(folder: str, manifest: Manifest) -> SearchIndex:
    """Open an index. On a local disk its large arrays are mapped into memory, so that processes share them.

    Args:
        folder: The index's folder.
        manifest: The index's manifest.

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
    """Read the facts that an earlier index stores about its products, so that they need not be extracted again.

    Args:
        folder: The earlier index's folder.
        vocabulary: Digest of the present vocabulary.

    Returns:
        The rows of `stated.stated_table`; None if that index is incomplete, or was made with another vocabulary.
    """
    if not is_whole(folder) or read_manifest(folder).stated != vocabulary:
        return None
    return _read_table(folder, "stated")


@lru_cache(maxsize=1)
def opened(folder: str, manifest: str) -> SearchIndex:
    """Open an index, and keep it open for later calls in the same process (the most recent one only).

    Args:
        folder: The index's folder.
        manifest: The index's manifest, as JSON.
    """
    return read_index(folder, Manifest.model_validate_json(manifest))


@contextmanager
def lease(root: str, run_id: str, key: str) -> Iterator[None]:
    """Keep an index from being deleted by other runs while the `with` block runs.

    Args:
        root: The warehouse.
        run_id: The run that reads the index; it names the lease's file.
        key: The index.
    """
    place = f"{root}/{FOLDER}/_leases/{run_id}.json"
    files.write_bytes(place, json.dumps({"key": key}).encode(), durable=False)
    try:
        yield
    finally:
        files.remove(place)


def delete_old(root: str, keep: set[str]) -> list[str]:
    """Delete the indexes that nobody uses any more, and return their keys, sorted.

    Args:
        root: The warehouse.
        keep: Keys that are never deleted: those of the live version of the table and of the version before it. Indexes
            with a lease are kept, too.
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
    """Return the keys of the indexes that running readers have leased.

    A lease that is older than `LEASE_SECONDS` is ignored, because the run that wrote it has died.

    Args:
        fs: The file system.
        path: The folder of all indexes on it.
    """
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
    """Write an array as `<name>.npy`, in blocks, so that it is not copied in memory.

    Returns:
        The file's XXH3 checksum, 16 hex digits.
    """
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
    """Write a table as `<name>.parquet`.

    Returns:
        The file's XXH3 checksum, 16 hex digits.
    """
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
    """Return the key of an index, 16 hex digits: a digest of the file format and of everything it is made from."""
    return digest({"format": FORMAT, **parts})
