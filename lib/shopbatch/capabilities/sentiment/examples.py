"""Labelled reviews -> training, validation and test examples with their vectors. Called by `train_sentiment_head`.

The split depends on a review's content alone: a text is in the same part whenever and wherever it is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import ray.data

from shopbatch.capabilities.sentiment.head import LABELS
from shopbatch.capabilities.sentiment.stage import SentimentStage, review_text
from shopbatch.core.config import Strict
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128
from shopbatch.core.progress import Progress
from shopbatch.engines.base import Encoded, EngineError, encode_all
from shopbatch.engines.configs import EngineConfig, FakeConfig
from shopbatch.engines.factory import open_engine, prepare
from shopbatch.text.language import detect_language
from shopbatch.warehouse.store import Snapshot

SOURCE = ("title", "text", "rating", "label")
OTHER = "en"  # the language of texts whose script does not tell it
SPLITS = {"train": (0, 70), "val": (70, 80), "test": (80, 100)}  # of 100 by hash: from, to
_SPARE = 4  # times as many candidates are read as are wanted: duplicates and rare languages take their part
CANDIDATES = pa.schema(
    [("text", pa.string()), ("label", pa.int8()), ("language", pa.string()), ("hi", pa.uint64()), ("lo", pa.uint64())]
)


class ExampleConfig(Strict):
    """train_rows, val_rows, test_rows: at most so many, of each language.

    min_rows: a language (told by script) with fewer training rows has no classifier of its own.
    """

    train_rows: int = 8000
    val_rows: int = 1500
    test_rows: int = 2500
    min_rows: int = 200


def read_examples(reviews: Snapshot, config: ExampleConfig) -> pa.Table:
    """The examples of a snapshot of `reviews`: text, label (int8), language, split. Raises UserError if too few.

    Of a large table only a share of the contents, by hash, comes to the driver.
    """
    wanted = _SPARE * sum(SPLITS[s][1] * n for s, n in zip(SPLITS, _caps(config), strict=True)) / 10
    share = min(1.0, wanted / max(1, reviews.rows))
    found = reviews.dataset(SOURCE).map_batches(
        candidates, fn_kwargs={"share": share}, batch_format="pyarrow", batch_size=None
    )
    blocks = [CANDIDATES.empty_table()]
    blocks += found.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    return choose(pa.concat_tables([b.select(CANDIDATES.names).cast(CANDIDATES) for b in blocks]), config)


def candidates(batch: pa.Table, share: float = 1.0) -> pa.Table:
    """The rows of `batch` (title, text, rating, label) that have a label and can be scored, as CANDIDATES.

    Where there is no label the rating gives it: up to 2 negative, 3 neutral, from 4 positive.
    share: of the contents, by hash, 0 to 1.
    """
    content = batch.select(["title", "text"])
    stated = pc.index_in(batch["label"], pa.array(LABELS)).cast(pa.int8())
    rating = batch["rating"]
    rated = pc.if_else(pc.less_equal(rating, 2), 0, pc.if_else(pc.equal(rating, 3), 1, 2)).cast(pa.int8())
    label = pc.coalesce(stated, rated)
    reason = SentimentStage(FakeConfig(), "", "", {}).check(content)
    use = pc.and_(label.is_valid(), reason.is_null())
    content, label = content.filter(use), label.filter(use)
    high, low = hash128(content.columns)
    texts = review_text(content)
    table = pa.table([texts, label, detect_language(texts), pa.array(high), pa.array(low)], schema=CANDIDATES)
    return table if share >= 1 else table.filter(pa.array(low < np.uint64(share * 2**64)))


def choose(found: pa.Table, config: ExampleConfig) -> pa.Table:
    """One example a content, none of contents with two labels, at most the wanted number of each language and split.

    found: CANDIDATES. Returns text, label, language, split in an order that depends on the contents alone.
    """
    hundredth = pl.col("hi") % 100
    split = pl.lit(None, pl.String)
    for name, (first, end) in SPLITS.items():
        split = pl.when((hundredth >= first) & (hundredth < end)).then(pl.lit(name)).otherwise(split)
    rows = (
        pl.DataFrame(found)
        .filter(pl.col("label").n_unique().over("hi", "lo") == 1)
        .unique(["hi", "lo"])
        .sort("lo", "hi")
        .with_columns(split.alias("split"), pl.col("language").fill_null(OTHER))
    )
    rows = rows.with_columns(pl.col("language").replace(_foreign(rows, config)))
    caps = pl.col("split").replace_strict(dict(zip(SPLITS, _caps(config), strict=True)), return_dtype=pl.Int64)
    rows = rows.filter(pl.int_range(pl.len()).over("language", "split") < caps)
    return rows.select("text", "label", "language", "split").to_arrow(compat_level=pl.CompatLevel.oldest())


def embed(examples: pa.Table, engine: EngineConfig, model_dir: str | None, workers: int) -> Encoded:
    """The examples' vectors, in order, by `workers` Ray Data actors, with progress."""
    prepare(engine, model_dir)
    numbered = examples.select(["text"]).append_column("row", pa.array(np.arange(examples.num_rows)))
    step = -(-examples.num_rows // (workers * 4))
    slices = [numbered.slice(a, step).combine_chunks() for a in range(0, examples.num_rows, step)]
    cpus = float(ray.cluster_resources().get("CPU", 1))
    found = ray.data.from_arrow(slices).map_batches(
        Embedder,
        fn_constructor_args=(engine, model_dir),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=min(1.0, 0.9 * cpus / workers),  # less than a CPU each, or the pool starves what feeds it
    )
    blocks = []
    with Progress(examples.num_rows, stage="vectors") as progress:
        for block in found.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            blocks.append(block)
            progress.advance(block.num_rows)
    order = np.argsort(np.concatenate([b["row"].to_numpy() for b in blocks]))
    vectors = np.concatenate([_matrix(b["vector"]) for b in blocks])
    return Encoded(vectors[order], np.concatenate([b["tokens"].to_numpy() for b in blocks])[order])


class Embedder:
    """A Ray Data actor: text, row -> row, vector, tokens."""

    def __init__(self, engine: EngineConfig, model_dir: str | None) -> None:
        self.mistake: UserError | None = None
        try:
            self.encoder = open_engine(engine, model_dir)
        except UserError as error:  # of a constructor that fails Ray tells the text alone
            self.mistake = error

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """A generator: what one raises comes to the driver as it is, and not as an error of Ray Data's."""
        if self.mistake is not None:
            raise self.mistake
        encoded = encode_all(self.encoder, batch["text"].combine_chunks())
        if not np.isfinite(encoded.vectors).all():
            raise EngineError("the engine gave vectors that are not finite")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(encoded.vectors.ravel()), self.encoder.dim)
        yield pa.table({"row": batch["row"], "vector": vectors, "tokens": pa.array(encoded.tokens)})


def _foreign(rows: pl.DataFrame, config: ExampleConfig) -> dict[str, str]:
    """Languages too small for a classifier of their own -> the one that answers for them."""
    train = rows.filter(pl.col("split") == "train")
    sizes = dict(train.group_by("language").len().sort("len", descending=True).iter_rows())
    classes = dict(train.group_by("language").agg(pl.col("label").n_unique()).iter_rows())
    able = [name for name, size in sizes.items() if size >= config.min_rows and classes[name] > 1]
    if not able:
        raise UserError(
            f"reviews: too few labelled rows to train on (of different texts: {sizes or 'none'}; at least "
            f"{config.min_rows} of one language with two different labels are needed)"
        )
    home = OTHER if OTHER in able else able[0]
    return {name: home for name in rows["language"].unique().to_list() if name not in able}


def _caps(config: ExampleConfig) -> tuple[int, int, int]:
    return config.train_rows, config.val_rows, config.test_rows


def _matrix(column: Any) -> np.ndarray:
    """A fixed-size list column as float32 [n, dim]."""
    flat = column.combine_chunks()
    size = flat.type.list_size
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, size)
