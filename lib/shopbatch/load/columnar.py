"""Opens Parquet files, folders of them, and Delta tables of any client as a stream of raw batches.

A partition column is text if a folder's name states it (`store_id=007` stays `007`), and has the schema's type in a
Delta table. Of a Delta table, columns are found by their physical names or field ids (column mapping), values get the
types of the present schema (type widening), and deleted rows are left out (deletion vectors). A table that requires any
other feature of its readers is refused, and the message names the feature.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable

from shopbatch.core.errors import UserError, one_line
from shopbatch.load.raw import Input, RawBatch
from shopbatch.warehouse.files import unusable_path

_BATCH_ROWS = 65_536
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # Hive's folder name for null
# Spark wrote timestamps as INT96 for years. As nanoseconds, Arrow's default, years beyond 2262 would overflow.
_FORMAT = ds.ParquetFileFormat(
    read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"),
    # verify the checksum of each page that has one
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True),
)
# Reader features that are handled here or by delta-rs. A variant is a struct, which no column of ours accepts.
_READABLE = {
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantShredding",
    "variantShredding-preview",
    "variantType",
    "variantType-preview",
}


@dataclass(frozen=True)
class _File:
    """One Parquet file, with the information that turns its rows into rows of the input.

    Attributes:
        label: The file's name in reports.
        path: The file's path.
        constants: Partition column -> its value for this file.
        stored: Function from the file's schema to a dict: column of the input -> name of that column in the file.
        types: Column -> Arrow type to cast to; {} keeps the file's own types.
        kept: Mask of the rows that are not deleted, [rows of the file]; None if all are read.
    """

    label: str
    path: Path
    constants: Mapping[str, pa.Scalar]
    stored: Callable[[pa.Schema], Mapping[str, str]]
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    kept: pa.BooleanArray | None = None

    def fragment(self) -> ds.ParquetFileFragment:
        """Open the file for reading."""
        return _FORMAT.make_fragment(str(self.path), filesystem=pafs.LocalFileSystem())

    def batches(self, names: tuple[str, ...], wanted: Sequence[str]) -> Iterator[RawBatch]:
        """Read the wanted columns in batches. A row's number is its position in the file, deleted rows included.

        Args:
            names: All columns of the input.
            wanted: The columns to read.
        """
        fragment, place = self.fragment(), 0
        stored = self.stored(fragment.physical_schema)
        columns = {n: ds.field(stored[n]) for n in dict.fromkeys(wanted) if n in stored and n not in self.constants}
        for batch in fragment.to_batches(
            columns=columns,
            batch_size=_BATCH_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        ):
            count, rows = batch.num_rows, np.arange(place + 1, place + 1 + batch.num_rows)
            values = dict(zip(batch.schema.names, batch.columns, strict=True))
            if self.kept is not None:
                kept = self.kept.slice(place, count)
                values = {n: v.filter(kept) for n, v in values.items()}
                rows = rows[kept.to_numpy(zero_copy_only=False)]
            place += count
            values = {n: self._typed(n, v) for n, v in values.items()}
            values |= {n: pa.repeat(value, len(rows)) for n, value in self.constants.items()}
            yield RawBatch(self.label, rows, names, _getter(values, len(rows)))

    def _typed(self, name: str, values: pa.Array) -> pa.Array:
        """Cast values to the type in the table's present schema, since an older file may have a narrower type."""
        kind = self.types.get(name, values.type)
        if values.type == kind:
            return values
        try:
            return values.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(f"{self.label}: column {name!r} is not {kind}: {one_line(error, 200)}") from None


def _getter(columns: Mapping[str, pa.Array], rows: int) -> Callable[[str], pa.Array]:
    """Return a function from a column's name to its values, for `RawBatch.get`; a missing column gives `rows` nulls."""
    return lambda name: columns.get(name, pa.nulls(rows))


def open_parquet(
    path: Path, files: Sequence[Path]
) -> tuple[tuple[str, ...], Callable[[Sequence[str]], Iterator[RawBatch]]]:
    """Open a Parquet file, or the Parquet files of a folder with or without partition folders (`column=value`).

    Args:
        path: The file or folder.
        files: The file itself, or the files of the folder.

    Returns:
        The names of all columns, and the function that reads the wanted ones in batches.
    """
    opened = [_File(str(f.relative_to(path.parent)), f, _folder_values(path, f), _same_names) for f in sorted(files)]
    names: list[str] = []
    for file in opened:
        own = [*file.fragment().physical_schema.names, *file.constants]
        for name in dict.fromkeys(own):  # a name twice in a file stays twice, so that matching asks the user
            count = 1 if name in file.constants else own.count(name)
            names += [name] * (count - names.count(name))
    return tuple(names), lambda wanted: _read(opened, tuple(names), wanted)


def _read(opened: Sequence[_File], names: tuple[str, ...], wanted: Sequence[str]) -> Iterator[RawBatch]:
    """Yield the batches of all files, one file after the other."""
    for file in opened:
        yield from file.batches(names, wanted)


def _same_names(schema: pa.Schema) -> Mapping[str, str]:
    """Map each column to itself: in a plain Parquet file the names are those of the input."""
    return {name: name for name in schema.names}


def _folder_values(path: Path, file: Path) -> dict[str, pa.Scalar]:
    """Return the partition values of a file from folders named `column=value`, as text scalars by column."""
    if file == path:
        return {}
    pairs = [part.split("=", 1) for part in file.relative_to(path.parent).parts[:-1] if "=" in part]
    return {unquote(k): pa.scalar(None if v == _NO_VALUE else unquote(v), pa.string()) for k, v in pairs}


def is_delta(path: Path) -> bool:
    """Return True if a folder is a Delta table.

    Raises:
        UserError: It is one, but its path has characters with which it cannot be opened.
    """
    if not (path / "_delta_log").is_dir():
        return False
    if trouble := unusable_path(str(path)):
        raise UserError(f"{path}: {trouble}; rename that folder")
    return bool(DeltaTable.is_deltatable(str(path)))


def open_delta(path: Path) -> Input:
    """Open the newest version of a Delta table in a local folder.

    Raises:
        UserError: The table requires a feature of its readers that is not supported.
    """
    table = DeltaTable(str(path))
    _refuse_unknown_features(path, table)
    schema = pa.schema(table.schema().to_arrow())
    types = {f.name: f.type for f in schema}
    opened = _delta_files(path, table, types)
    names, version = tuple(schema.names), table.version()
    digest = hashlib.blake2b(f"{table.metadata().id}/{version}".encode(), digest_size=16).hexdigest()

    def batches(wanted: Sequence[str]) -> Iterator[RawBatch]:
        return _read(opened, names, wanted)

    return Input(path, "delta", names, digest, batches, lambda: True)  # a version of a Delta table never changes


def _refuse_unknown_features(path: Path, table: DeltaTable) -> None:
    """Raise UserError if the Delta table requires a reader feature or version that is not supported here."""
    protocol = table.protocol()
    unknown = sorted(set(protocol.reader_features or ()) - _READABLE)
    if protocol.min_reader_version > 3:
        unknown.append(f"reader version {protocol.min_reader_version}")
    if unknown:
        raise UserError(
            f"{path}: the Delta table uses {', '.join(unknown)}, which shopbatch cannot read; "
            "write its rows to Parquet files or to a table without it, and load that"
        )


def _delta_files(path: Path, table: DeltaTable, types: Mapping[str, pa.DataType]) -> list[_File]:
    """Return the data files of the opened version of a Delta table, sorted by path.

    Args:
        path: The table's folder.
        table: The table.
        types: Column -> its Arrow type in the present schema.

    Raises:
        UserError: A deletion vector belongs to a file that is not listed, so that deleted rows would be read.
    """
    adds = pa.table(table.get_add_actions(flatten=True))
    partitions = {n.removeprefix("partition."): adds[n] for n in adds.column_names if n.startswith("partition.")}
    # delta-rs lists deletion vectors only if it knows all other features of the table, too
    kept = _kept_rows(table) if "deletionVectors" in (table.protocol().reader_features or ()) else {}
    stored = _stored_names(table)
    opened = []
    for index, encoded in enumerate(adds["path"].to_pylist()):
        where = _place(path, encoded)
        label = f"{path.name}/{where.relative_to(path) if where.is_relative_to(path) else where.name}"
        constants = {name: values[index] for name, values in partitions.items()}
        opened.append(_File(label, where, constants, stored, types, kept.pop(where, None)))
    if kept:  # without its vector, a file's deleted rows would be read
        raise UserError(f"{path}: deletion vectors of files that the table does not list; it cannot be read")
    return sorted(opened, key=lambda file: str(file.path))


def _place(path: Path, encoded: str) -> Path:
    """Convert the location of a data file, as the Delta log writes it, into a path.

    A location is relative to the table's folder `path`, or an absolute `file:` URI. The log of a shallow clone has
    absolute ones, because the files belong to its source.

    Raises:
        UserError: The file is in an object store.
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", encoded):
        return path / unquote(encoded)
    parts = urlsplit(encoded)
    if parts.scheme != "file":
        raise UserError(f"{path}: files of the Delta table are in {parts.scheme}://{parts.netloc}; copy it here first")
    return Path(unquote(parts.path))


def _kept_rows(table: DeltaTable) -> dict[Path, pa.BooleanArray]:
    """Return, for each data file (by path) with a deletion vector, a mask [rows]: False for deleted rows."""
    kept = {}
    for part in table.deletion_vectors():
        batch = pa.record_batch(part)
        for uri, rows in zip(batch["filepath"].to_pylist(), batch["selection_vector"], strict=True):
            kept[Path(unquote(urlsplit(uri).path))] = rows.values
    return kept


def _stored_names(table: DeltaTable) -> Callable[[pa.Schema], Mapping[str, str]]:
    """Return a function from a data file's schema to a dict: column of the table -> name of that column in the file.

    It follows the table's column mapping mode: `name` (physical names), `id` (field ids) or `none` (the same names).

    Raises:
        UserError: The table uses another mode of column mapping.
    """
    mode = table.metadata().configuration.get("delta.columnMapping.mode", "none").lower()
    fields: list[dict[str, Any]] = json.loads(table.schema().to_json())["fields"]
    if mode == "name":
        physical = {f["name"]: f["metadata"].get("delta.columnMapping.physicalName", f["name"]) for f in fields}
        return lambda schema: {n: p for n, p in physical.items() if p in schema.names}
    if mode == "id":
        ids = {f["name"]: str(f["metadata"].get("delta.columnMapping.id")) for f in fields}

        def by_id(schema: pa.Schema) -> Mapping[str, str]:
            there = {(f.metadata or {}).get(b"PARQUET:field_id", b"").decode(): f.name for f in schema}
            return {n: there[i] for n, i in ids.items() if i in there}

        return by_id
    if mode != "none":
        raise UserError(f"the Delta table's column mapping {mode!r} is unknown; write it again without it")
    return lambda schema: {f["name"]: f["name"] for f in fields if f["name"] in schema.names}
