"""Find the tokens that occur in the shop's texts, and measure how a tokenizer with only these tokens splits texts.

The job compress_encoder keeps these tokens and removes all others from the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.compress.config import VocabularyConfig
from shopbatch.capabilities.sentiment.examples import SPLITS
from shopbatch.capabilities.sentiment.stage import review_text
from shopbatch.core.hashing import former_hash128
from shopbatch.engines.tokens import Reader
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.loading import model_config, token_limit
from shopbatch.warehouse.store import Snapshot, Store
from shopbatch.warehouse.utf8 import blank

# tables read besides reviews, with their text columns
TEXTS: Mapping[str, tuple[str, ...]] = {
    "products": ("title", "description"),
    "queries": ("query",),
    "tickets": ("subject", "text"),
    "support_dialogs": ("question", "reply"),
}
REVIEW = ("title", "text")
_LONGEST = 512  # tokens at which a text is cut


class Counter:
    """Counts the tokens of batches of texts; called in Ray tasks, returns the columns `token` and `count`.

    Args:
        model: The encoder's folder.
        share: Share of the contents to read, chosen by hash, 0 to 1.
        held_out: Whether the rows are reviews. Those that become test examples are then not counted.
    """

    def __init__(self, model: str, share: float, held_out: bool) -> None:
        self.model, self.share, self.held_out = model, share, held_out

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Count the tokens of a batch of text columns; return one row per token id with its count."""
        if batch.num_rows and (self.held_out or self.share < 1):
            high, low = former_hash128(batch.columns)  # the hash by which examples are split
            use = low < np.uint64(self.share * 2**64) if self.share < 1 else np.full(len(low), True)
            if self.held_out:
                use &= high % np.uint64(100) < SPLITS["test"][0]
            batch = batch.filter(pa.array(use))
        batch = pa.table({name: blank(batch[name]) for name in batch.column_names})
        folder = local(self.model)
        reader = Reader(folder, EncoderSpec.load(folder).prefix, _limit(folder), 1)
        ids = [np.empty(0, np.int64)]
        for texts in _texts(batch):
            ids += [np.asarray(row, np.int64) for row in reader.rows(texts)]
        tokens, counts = np.unique(np.concatenate(ids), return_counts=True)
        return pa.table({"token": pa.array(tokens, pa.int64()), "count": pa.array(counts, pa.int64())})


def seen_tokens(store: Store, reviews: Snapshot, model: str, config: VocabularyConfig) -> np.ndarray:
    """Return the ids (int64, sorted) of the tokens that occur often enough in the shop's texts.

    Reviews that become test examples are not counted, so that the test shows how well the tokens cover future texts.

    Args:
        store: The warehouse.
        reviews: The snapshot of reviews.
        model: The encoder's folder.
        config: Settings: smallest count and largest number of rows.
    """
    total = np.zeros(0, np.int64)
    for snapshot, columns in _sources(store, reviews):
        held_out = snapshot is reviews
        share = min(1.0, config.rows / max(1, snapshot.rows))
        dataset = snapshot.dataset(columns).map_batches(
            Counter(model, share, held_out), batch_format="pyarrow", batch_size=None
        )
        for block in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            total = _add(total, block["token"].to_numpy(), block["count"].to_numpy())
    return np.flatnonzero(total >= config.min_count)


def held_out_splits(before: Path, after: Path, texts: pa.Array) -> dict[str, Any]:
    """Compare how the tokenizers of the source and of the compressed encoder split held-out texts into tokens.

    Args:
        before: Folder of the source encoder.
        after: Folder of the compressed encoder.
        texts: The texts, string [n].

    Returns:
        `texts`: number of texts. `tokens`, `tokens_before`: total number of tokens of the compressed and of the source
        encoder. `unknown`, `unknown_before`: share of unknown tokens, 0 to 1. `split_alike`: share of the texts that
        both tokenizers split into the same tokens.
    """
    pieces, unknown = [], []
    for folder in (before, after):
        reader = Reader(folder, EncoderSpec.load(folder).prefix, _limit(folder), 1)
        encoded = reader.tokenizer.encode_batch([reader.prefix + text for text in texts.to_pylist()])
        pieces.append([e.tokens for e in encoded])
        name = _unknown(reader)
        unknown.append(sum(e.ids.count(name) for e in encoded) if name is not None else 0)
    sizes = [sum(map(len, each)) for each in pieces]
    alike = sum(a == b for a, b in zip(*pieces, strict=True))
    return {
        "texts": len(texts),
        "tokens": sizes[1],
        "tokens_before": sizes[0],
        "unknown": round(unknown[1] / max(1, sizes[1]), 6),
        "unknown_before": round(unknown[0] / max(1, sizes[0]), 6),
        "split_alike": round(alike / max(1, len(texts)), 4),
    }


def _sources(store: Store, reviews: Snapshot) -> Iterator[tuple[Snapshot, tuple[str, ...]]]:
    yield reviews, REVIEW
    for name, columns in TEXTS.items():
        snapshot = store.find(name)
        if snapshot is not None and snapshot.files:
            yield snapshot, tuple(column for column in columns if column in snapshot.schema.names)


def _texts(batch: pa.Table) -> Iterator[pa.Array]:
    """Yield the texts that an engine would read: title and text of a review joined, otherwise each column by itself."""
    if tuple(batch.column_names) == REVIEW:
        use = batch.filter(batch["text"].is_valid())
        yield review_text(use)
        return
    for column in batch.columns:
        yield pc.drop_null(column).combine_chunks()


def _add(total: np.ndarray, tokens: np.ndarray, counts: np.ndarray) -> np.ndarray:
    size = max(len(total), int(tokens.max()) + 1 if len(tokens) else 0)
    grown = np.zeros(size, np.int64)
    grown[: len(total)] = total
    np.add.at(grown, tokens, counts)
    return grown


def _limit(folder: Path) -> int:
    """Return the number of tokens at which a text is cut: as many as the model can read, but at most _LONGEST."""
    return min(_LONGEST, token_limit(folder, model_config(folder)))


def _unknown(reader: Reader) -> int | None:
    """Return the id of the tokenizer's token for unknown input; None if it has none."""
    model = json.loads(reader.tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    token = model.get("unk_token")
    return reader.tokenizer.token_to_id(token) if token else None
