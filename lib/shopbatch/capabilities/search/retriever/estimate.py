"""Estimates the cost of a run of `finetune_retriever` for `--dry-run`: counts, with text lengths from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.encoder import encoder_of
from shopbatch.capabilities.search.product_text import encoder_text
from shopbatch.capabilities.search.quality.queries import JudgedQuery
from shopbatch.capabilities.search.retriever.config import FinetuneRetrieverConfig
from shopbatch.capabilities.search.retriever.run import Retriever, Shop
from shopbatch.engines.tokens import Reader
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.runs.report import Report
from shopbatch.training.loop import steps
from shopbatch.warehouse.store import Store

_SAMPLE = 500  # number of texts whose tokens are counted


def estimate(config: FinetuneRetrieverConfig, store: Store) -> dict[str, Any]:
    """Return the estimated amounts of training data, training steps and products to embed, by name.

    Every product is embedded once by the trained encoder. If the encoder is accepted, `embed_products` reuses the
    vectors; if it is refused, they were computed for nothing.

    Args:
        config: Settings of the job.
        store: The warehouse.

    Raises:
        UserError: As in `finetune_retriever`.
    """
    shop = Shop.of(config, store)
    groups = Retriever(config, store, Report(job="finetune_retriever"), shop).groups()
    engine = encoder_of(shop.live.manifest.encoder, store.root).engine
    folder, longest = local(shop.base.path), int(getattr(engine, "max_tokens", 128))
    spec = EncoderSpec.load(folder)
    texts = encoder_text(shop.index.products.slice(0, _SAMPLE)).to_pylist()
    products = _tokens(Reader(folder, spec.passage, longest, 1), texts)
    queries = _tokens(Reader(folder, spec.query, longest, 1), [query.text for query in groups.train])
    pairs = sum(_pairs(query, config) for query in groups.train)
    example = queries + (1 + products) * (1 + config.pairs.hard)
    # examples are not split, so on average half an example's length stays free at the end of a block
    blocks = max(1, round(pairs * example / (config.loop.block_tokens - example / 2)))
    return {
        "queries trained on": sum(_pairs(query, config) > 0 for query in groups.train),
        "queries that choose": len(groups.val),
        "queries of the test half": len(groups.test),
        "pairs": pairs,
        "training steps": steps(config.loop, blocks),
        "training tokens": int(pairs * example * config.loop.epochs),
        "products to embed": len(set(shop.contents)),
        "tokens to embed": int(products * len(set(shop.contents))),
    }


def _pairs(query: JudgedQuery, config: FinetuneRetrieverConfig) -> int:
    return min(int((query.judged.gains >= config.pairs.grade).sum()), config.pairs.per_query)


def _tokens(reader: Reader, texts: Sequence[str]) -> float:
    """Return the mean number of tokens of a text, over the first `_SAMPLE` texts."""
    return float(np.mean([len(row) for row in reader.rows(pa.array(texts[:_SAMPLE], pa.string()))] or [0]))
