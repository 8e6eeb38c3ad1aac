"""The table `training_vectors`, a cache: Ray Data computes the vector of each text once per encoder.

Jobs that teach one model by another use it. If a run is killed, at most the parts that were not committed yet are lost:
the next run computes only the missing vectors. Vectors are stored in half precision, which changes a component by at
most 1/2,000 of its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.core.crash_points import crash_point
from shopbatch.core.hashing import digest, hash128, hex128
from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.configs import EngineConfig
from shopbatch.models.registry import Model
from shopbatch.runs.report import new_run_id
from shopbatch.tables.training_vectors import TRAINING_VECTORS
from shopbatch.training import vectors
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import take_out
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.foreign import put_right, refuse_foreign
from shopbatch.warehouse.store import Store

VERSION = 1  # version of the stored form; raising it computes all vectors again
PART = 1024  # number of texts whose vectors are committed together
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Kept:
    """The vectors of examples, from the cache or newly computed.

    Attributes:
        vectors: float16 [n, dim], in the order of the examples.
        computed: Number of distinct texts whose vectors had to be computed.
        set_aside: Sentence about damaged files, or changes by other programs, that this run repaired in the table; ""
            if there were none.
    """

    vectors: np.ndarray
    computed: int
    set_aside: str = ""


def kept_vectors(store: Store, examples: pa.Table, engine: EngineConfig, model: Model, workers: int) -> Kept:
    """Return the vectors of examples; those that the table does not have are computed and stored.

    Args:
        store: The warehouse.
        examples: At least one row, with a column `text` without nulls.
        engine: Settings of the encoder engine.
        model: The encoder.
        workers: Number of Ray actors that compute missing vectors.

    Raises:
        EngineError: A component of a vector is not finite, or too large for half precision.
    """
    table, name = TRAINING_VECTORS, digest([VERSION, model.digest, engine.identity()])
    put = put_right(store, table, anew=True)
    damaged = take_out(store, table, name, lambda file: _is_of(file, name))
    store.check_targets([table])
    names = hex128(*hash128([examples["text"]]))
    known = _read(store, name)
    distinct = pl.DataFrame({"hash": names, "row": np.arange(len(names))}).unique("hash", keep="first").sort("row")
    missing = distinct.join(known.select("hash"), on="hash", how="anti", maintain_order="left")
    if missing.height:
        texts = examples.select(["text"]).take(pa.array(missing["row"]))
        parts = vectors.stream(texts, engine, model.path, workers, PART)
        _write(store, name, names.take(pa.array(missing["row"])), parts)
        known = _read(store, name)
    joined = pl.DataFrame({"hash": names}).join(known, on="hash", how="left", maintain_order="left")
    flat = b"".join(joined["vector"].to_list())
    set_aside = "; ".join(filter(None, [put, damaged]))
    return Kept(np.frombuffer(flat, np.float16).reshape(len(names), -1), missing.height, set_aside)


def _write(store: Store, name: str, names: pa.Array, parts: Iterable[tuple[np.ndarray, Encoded]]) -> None:
    """Write and commit each part of the vectors as soon as it is computed.

    Args:
        store: The warehouse.
        name: Digest of the encoder and its settings.
        names: Hashes of all texts that are computed.
        parts: Row numbers in `names`, and the vectors of these rows.
    """
    table, folder = TRAINING_VECTORS, f"encoder={name}/{new_run_id()}"
    for part, (rows, encoded) in enumerate(parts):
        path = f"{folder}/{part:05d}.parquet"
        columns = {"text_hash": names.take(pa.array(rows)), "vector": _packed(encoded.vectors)}
        files.write(f"{store.uri(table.name)}/{path}", pa.table(columns, schema=table.file_schema()))
        written = files.describe(store.uri(table.name), path, table.file_schema(), {"encoder": name})
        store.commit(table, [written], "append", f"{folder}/{part}", guard=refuse_foreign)
        crash_point("vectors_committed")


def _read(store: Store, name: str) -> pl.DataFrame:
    """Return all stored vectors of one encoder, with the columns hash and vector.

    A text that two runs computed at the same time is returned once.
    """
    schema = TRAINING_VECTORS.file_schema()
    snapshot = store.find(TRAINING_VECTORS.name)
    refs = [] if snapshot is None else [file for file in snapshot.files if _is_of(file, name)]
    rows: Any = pl.from_arrow(pa.concat_tables([schema.empty_table(), *(files.read(f.uri, schema) for f in refs)]))
    return pl.DataFrame(rows).rename({"text_hash": "hash"}).unique("hash", keep="first", maintain_order=True)


def _packed(made: np.ndarray) -> pa.Array:
    """Return vectors as a binary column in half precision; raise EngineError if a component does not fit."""
    if not (np.abs(made) <= _LARGEST).all():
        raise EngineError("a number of a vector does not fit into half precision")
    half = np.ascontiguousarray(made, np.float16)
    size = half.shape[1] * half.itemsize
    offsets = np.arange(0, size * (len(half) + 1), size, dtype=np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(half), [None, pa.py_buffer(offsets), pa.py_buffer(half.tobytes())]
    )


def _is_of(file: FileRef, name: str) -> bool:
    """Return True if a file of the table holds vectors of this encoder."""
    return bool(file.partition.get("encoder") == name)
