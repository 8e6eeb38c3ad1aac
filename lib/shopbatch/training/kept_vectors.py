"""The table of vectors: Ray Data computes the vector of each text once per encoder; every later run reads it.

A run that is killed loses at most the parts that were not committed yet: the next one computes only what is missing.
Vectors are kept in half precision, which changes a number by at most 1 in 2,000 of itself.
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

VERSION = 1  # of how vectors are kept: raising it computes them again
PART = 1024  # texts whose vectors are committed together
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Kept:
    """The vectors of texts.

    Attributes:
        vectors: float16 [n, dim].
        computed: How many of them were computed now; the others were there.
        set_aside: Names what others or a damage had done to the table, and was put right.
    """

    vectors: np.ndarray
    computed: int
    set_aside: str = ""


def kept_vectors(store: Store, examples: pa.Table, engine: EngineConfig, model: Model, workers: int) -> Kept:
    """Return the vectors of examples; those that the table does not hold are computed by `workers` actors.

    Args:
        store: The warehouse.
        examples: With a column `text` without nulls, at least one row.
        engine: What computes the vectors.
        model: The encoder.
        workers: Number of actors.

    Raises:
        EngineError: A number of a vector is not finite, or too large for half precision.
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
    """Commit the parts one by one, as they are done; `names` are the hashes of all texts."""
    table, folder = TRAINING_VECTORS, f"encoder={name}/{new_run_id()}"
    for part, (rows, encoded) in enumerate(parts):
        path = f"{folder}/{part:05d}.parquet"
        columns = {"text_hash": names.take(pa.array(rows)), "vector": _packed(encoded.vectors)}
        files.write(f"{store.uri(table.name)}/{path}", pa.table(columns, schema=table.file_schema()))
        written = files.describe(store.uri(table.name), path, table.file_schema(), {"encoder": name})
        store.commit(table, [written], "append", f"{folder}/{part}", guard=refuse_foreign)
        crash_point("vectors_committed")


def _read(store: Store, name: str) -> pl.DataFrame:
    """Return the columns hash and vector of one encoder. Two runs at once may have computed the same text."""
    schema = TRAINING_VECTORS.file_schema()
    snapshot = store.find(TRAINING_VECTORS.name)
    refs = [] if snapshot is None else [file for file in snapshot.files if _is_of(file, name)]
    rows: Any = pl.from_arrow(pa.concat_tables([schema.empty_table(), *(files.read(f.uri, schema) for f in refs)]))
    return pl.DataFrame(rows).rename({"text_hash": "hash"}).unique("hash", keep="first", maintain_order=True)


def _packed(made: np.ndarray) -> pa.Array:
    if not (np.abs(made) <= _LARGEST).all():
        raise EngineError("a number of a vector does not fit into half precision")
    half = np.ascontiguousarray(made, np.float16)
    size = half.shape[1] * half.itemsize
    offsets = np.arange(0, size * (len(half) + 1), size, dtype=np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(half), [None, pa.py_buffer(offsets), pa.py_buffer(half.tobytes())]
    )


def _is_of(file: FileRef, name: str) -> bool:
    return bool(file.partition.get("encoder") == name)
