"""Vectors of examples, computed by Ray Data actors through the same engines that score reviews."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import ray.data

from shopbatch.core.deferred import Deferred
from shopbatch.core.progress import Progress
from shopbatch.core.sessions import actor_cpus
from shopbatch.engines.base import Encoded, EngineError, encode_all
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine, prepare


def embed(examples: pa.Table, engine: EngineConfig, model_dir: str | None, workers: int) -> Encoded:
    """Return the examples' vectors and token counts, in order, computed by `workers` actors; shows progress."""
    prepare(engine, model_dir)
    numbered = examples.select(["text"]).append_column("row", pa.array(np.arange(examples.num_rows)))
    step = -(-examples.num_rows // (workers * 4))
    slices = [numbered.slice(a, step).combine_chunks() for a in range(0, examples.num_rows, step)]
    dataset = ray.data.from_arrow(slices).map_batches(
        Embedder,
        fn_constructor_args=(engine, model_dir),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=actor_cpus(workers),
    )
    blocks = []
    with Progress(examples.num_rows, stage="vectors") as progress:
        for block in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            blocks.append(block)
            progress.advance(block.num_rows)
    order = np.argsort(np.concatenate([b["row"].to_numpy() for b in blocks]))
    vectors = np.concatenate([_matrix(b["vector"]) for b in blocks])
    return Encoded(vectors[order], np.concatenate([b["tokens"].to_numpy() for b in blocks])[order])


def embed_held_out(examples: pa.Table, engine: EngineConfig, model_dir: str | None, workers: int) -> np.ndarray:
    """Return the vectors of the validation and test examples, float32 [n, dim]; training examples get zeros."""
    rows = np.flatnonzero(examples["split"].to_numpy() != "train")
    encoded = embed(examples.take(pa.array(rows)), engine, model_dir, workers)
    vectors = np.zeros((examples.num_rows, encoded.vectors.shape[1]), np.float32)
    vectors[rows] = encoded.vectors
    return vectors


class Embedder:
    """A Ray Data actor: text, row -> row, vector, tokens."""

    def __init__(self, engine: EngineConfig, model_dir: str | None) -> None:
        self.encoder = Deferred(lambda: open_engine(engine, model_dir))

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Yield one table; an error raised by a generator reaches the driver unchanged, not as an error of Ray Data."""
        encoder = self.encoder.get()
        encoded = encode_all(encoder, batch["text"].combine_chunks())
        if not np.isfinite(encoded.vectors).all():
            raise EngineError("the engine returned vectors that are not finite")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(encoded.vectors.ravel()), encoder.dim)
        yield pa.table({"row": batch["row"], "vector": vectors, "tokens": pa.array(encoded.tokens)})


def _matrix(column: Any) -> np.ndarray:
    """Return a fixed-size list column as float32 [n, dim]."""
    flat = column.combine_chunks()
    size = flat.type.list_size
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, size)
