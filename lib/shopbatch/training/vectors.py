"""Computes the vectors of training examples in Ray Data actors, with the same engines that inference jobs use."""

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
    """Compute the vectors of all examples, and show progress.

    Args:
        examples: Table with a column `text`.
        engine: Settings of the encoder engine.
        model_dir: Path or URI of the encoder's folder; None for the fake engine.
        workers: Number of Ray actors.

    Returns:
        The vectors and token counts, in the order of the examples.
    """
    step = -(-examples.num_rows // (workers * 4))
    parts = list(stream(examples, engine, model_dir, workers, step))
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    vectors, tokens = (np.concatenate([getattr(p, n) for _, p in parts]) for n in ("vectors", "tokens"))
    return Encoded(vectors[order], tokens[order])


def stream(
    examples: pa.Table, engine: EngineConfig, model_dir: str | None, workers: int, step: int
) -> Iterator[tuple[np.ndarray, Encoded]]:
    """Yield the vectors of the examples part by part, as the parts are done, in any order; show progress.

    Args:
        examples: Table with a column `text`.
        engine: Settings of the encoder engine.
        model_dir: Path or URI of the encoder's folder; None for the fake engine.
        workers: Number of Ray actors.
        step: Maximum number of examples of a part.

    Yields:
        The row numbers of a part, int64 [n], and the vectors and token counts of these rows.
    """
    prepare(engine, model_dir)
    numbered = examples.select(["text"]).append_column("row", pa.array(np.arange(examples.num_rows)))
    slices = [numbered.slice(a, step).combine_chunks() for a in range(0, examples.num_rows, step)]
    dataset = ray.data.from_arrow(slices).map_batches(
        Embedder,
        fn_constructor_args=(engine, model_dir),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=actor_cpus(workers),
    )
    with Progress(examples.num_rows, stage="vectors") as progress:
        for block in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            progress.advance(block.num_rows)
            yield block["row"].to_numpy(), Encoded(_matrix(block["vector"]), block["tokens"].to_numpy())


def embed_held_out(examples: pa.Table, engine: EngineConfig, model_dir: str | None, workers: int) -> np.ndarray:
    """Compute the vectors of the validation and test examples only; training examples get zeros.

    Args:
        examples: Table with the columns `text` and `split`.
        engine: Settings of the encoder engine.
        model_dir: Path or URI of the encoder's folder; None for the fake engine.
        workers: Number of Ray actors.

    Returns:
        float32 [n, dim], one row for each example.
    """
    rows = np.flatnonzero(examples["split"].to_numpy() != "train")
    encoded = embed(examples.take(pa.array(rows)), engine, model_dir, workers)
    vectors = np.zeros((examples.num_rows, encoded.vectors.shape[1]), np.float32)
    vectors[rows] = encoded.vectors
    return vectors


class Embedder:
    """A Ray Data actor that turns batches with the columns text and row into batches with row, vector and tokens.

    Args:
        engine: Settings of the encoder engine, which is opened at the first batch.
        model_dir: Path or URI of the encoder's folder.
    """

    def __init__(self, engine: EngineConfig, model_dir: str | None) -> None:
        self.encoder = Deferred(lambda: open_engine(engine, model_dir))

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Yield one table with the vectors of a batch.

        It is a generator because Ray Data passes an error of a generator to the driver unchanged.
        """
        encoder = self.encoder.get()
        encoded = encode_all(encoder, batch["text"].combine_chunks())
        if not np.isfinite(encoded.vectors).all():
            raise EngineError("the engine returned vectors that are not finite")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(encoded.vectors.ravel()), encoder.dim)
        yield pa.table({"row": batch["row"], "vector": vectors, "tokens": pa.array(encoded.tokens)})


def _matrix(column: Any) -> np.ndarray:
    """Return a column of fixed-size lists as an array, float32 [n, dim]."""
    flat = column.combine_chunks()
    size = flat.type.list_size
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, size)
