"""Select labelled reviews as training, validation and test examples, for all jobs that train sentiment models.

The split depends only on the content of a review, so a text is in the same split in every run and in every job.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.config import ExampleConfig
from shopbatch.capabilities.sentiment.domains import domain_of
from shopbatch.capabilities.sentiment.head import LABELS
from shopbatch.capabilities.sentiment.stage import SentimentStage, review_text
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import former_hash128
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.text.language import guess_language
from shopbatch.warehouse.store import Snapshot

SOURCE = ("title", "text", "rating", "label", "source")
OTHER = "other"  # language of examples in languages without a classifier of their own
COPIES = "counterfactual"  # domain of counterfactual copies, which are not reviews (`bias.steady`)
SPLITS = {"train": (0, 70), "val": (70, 80), "test": (80, 100)}  # first and end of the content hash modulo 100
DOMAINS = 12  # largest number of separate domains; the smaller ones become REST
REST = "rest"
_SPARE = 8  # factor of candidates read over examples needed: duplicates and limits per cell remove some
CANDIDATES = pa.schema(
    [
        *(("text", pa.string()), ("label", pa.int8()), ("language", pa.string()), ("domain", pa.string())),
        *(("hi", pa.uint64()), ("lo", pa.uint64())),
    ]
)


def read_examples(reviews: Snapshot, config: ExampleConfig) -> pa.Table:
    """Return the examples of a snapshot of `reviews`: columns text, label (int8), language, domain, split.

    Of a large table only a share of the contents, chosen by hash, is brought to the driver.

    Args:
        reviews: The snapshot.
        config: Limits on the number of examples.

    Raises:
        UserError: There are too few labelled reviews.
    """
    needed = _SPARE * sum(SPLITS[s][1] * n for s, n in zip(SPLITS, _caps(config), strict=True)) / 10
    share = min(1.0, needed / max(1, reviews.rows))
    dataset = reviews.dataset(SOURCE).map_batches(
        candidates, fn_kwargs={"share": share}, batch_format="pyarrow", batch_size=None
    )
    blocks = [CANDIDATES.empty_table()]
    blocks += dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    return choose(pa.concat_tables([b.select(CANDIDATES.names).cast(CANDIDATES) for b in blocks]), config)


def candidates(batch: pa.Table, share: float = 1.0) -> pa.Table:
    """Return the rows of a batch of reviews that have a label and can be scored, as examples that `choose` may take.

    A row without a label gets one from its rating: 1 and 2 are negative, 3 is neutral, 4 and above positive.

    Args:
        batch: Reviews with the columns title, text, rating, label and source.
        share: Share of the contents to return, chosen by hash, 0 to 1.

    Returns:
        Columns text, label (int8), language (null: unknown), domain, and hi and lo (the halves of the content's hash).
    """
    content = batch.select(["title", "text"])
    stated = pc.index_in(batch["label"], pa.array(LABELS)).cast(pa.int8())
    rating = batch["rating"]
    rated = pc.if_else(pc.less_equal(rating, 2), 0, pc.if_else(pc.equal(rating, 3), 1, 2)).cast(pa.int8())
    label = pc.coalesce(stated, rated)
    reason = SentimentStage(OpenVinoConfig(), "", "", {}).check(content)
    use = pc.and_(label.is_valid(), reason.is_null())
    content, label, source = content.filter(use), label.filter(use), batch["source"].filter(use)
    # Older versions split by the same hash, so a model of theirs is never judged on rows that it was trained on.
    high, low = former_hash128(content.columns)
    texts = review_text(content)
    domain = domain_of(texts, source.combine_chunks() if isinstance(source, pa.ChunkedArray) else source)
    columns = [texts, label, guess_language(texts), domain, pa.array(high), pa.array(low)]
    table = pa.table(columns, schema=CANDIDATES)
    return table if share >= 1 else table.filter(pa.array(low < np.uint64(share * 2**64)))


def choose(table: pa.Table, config: ExampleConfig) -> pa.Table:
    """Return one example per content (title and text), at most the configured number per language, domain and split.

    A content that occurs with two different labels is left out. The order depends only on the contents.

    Args:
        table: Rows as `candidates` returns them.
        config: Limits on the number of examples.

    Returns:
        Columns text, label, language, domain, split. The language is OTHER if it is unknown or has too few examples.

    Raises:
        UserError: There are too few labelled reviews.
    """
    hundredth = pl.col("hi") % 100
    split = pl.lit(None, pl.String)
    for name, (first, end) in SPLITS.items():
        split = pl.when((hundredth >= first) & (hundredth < end)).then(pl.lit(name)).otherwise(split)
    rows = (
        pl.DataFrame(table)
        .filter(pl.col("label").n_unique().over("hi", "lo") == 1)
        .sort("lo", "hi", "domain")
        .unique(["hi", "lo"], keep="first", maintain_order=True)
        .with_columns(split.alias("split"), pl.col("language").fill_null(OTHER))
    )
    kept = rows.group_by("domain").len().sort("len", "domain", descending=[True, False])["domain"].head(DOMAINS)
    rows = rows.with_columns(
        pl.when(pl.col("domain").is_in(kept.implode())).then("domain").otherwise(pl.lit(REST)).alias("domain")
    )
    own = own_languages(rows, config)
    rows = rows.with_columns(
        pl.when(pl.col("language").is_in(own)).then("language").otherwise(pl.lit(OTHER)).alias("language")
    )
    caps = pl.col("split").replace_strict(dict(zip(SPLITS, _caps(config), strict=True)), return_dtype=pl.Int64)
    rows = rows.filter(pl.int_range(pl.len()).over("language", "domain", "split") < caps)
    return rows.select("text", "label", "language", "domain", "split").to_arrow(compat_level=pl.CompatLevel.oldest())


def own_languages(rows: pl.DataFrame, config: ExampleConfig) -> list[str]:
    """Return the languages with enough training examples for a classifier of their own, the largest first.

    Args:
        rows: Candidates with the columns language, label and split.
        config: Limits on the number of examples.

    Raises:
        UserError: There are too few labelled reviews.
    """
    train = rows.filter(pl.col("split") == "train")
    sizes = dict(train.group_by("language").len().sort("len", "language", descending=[True, False]).iter_rows())
    classes = dict(train.group_by("language").agg(pl.col("label").n_unique()).iter_rows())
    if train.height < config.min_rows or train["label"].n_unique() < 2:
        raise UserError(
            f"reviews: too few labelled rows to train on (different texts by language: {sizes or 'none'}); at least "
            f"{config.min_rows} with two different labels are needed"
        )
    return [name for name, size in sizes.items() if name != OTHER and size >= config.min_rows and classes[name] > 1]


def _caps(config: ExampleConfig) -> tuple[int, int, int]:
    return config.train_rows, config.val_rows, config.test_rows
