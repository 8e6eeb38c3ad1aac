"""Chooses sentences of ordinary reviews as harmless training examples for the model `moderation`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.moderation.passages import passages, size
from shopbatch.core.hashing import hash128
from shopbatch.text.language import detect_language
from shopbatch.text.moderation.find import find
from shopbatch.warehouse.snapshot import Snapshot

_SPARE = 4  # factor of reviews read to reviews needed, since one language may be rare
_SENTENCES = 2  # greatest number per review
_LEAST = 24  # least length; a shorter sentence says too little
_COLUMNS = ("text",)


def harmless_sentences(reviews: Snapshot, most: int) -> tuple[list[str], list[str]]:
    """Return sentences of reviews in which the word lists find nothing, and the whole texts of these reviews.

    The same reviews always give the same sentences. Of a large table only a share, chosen by the hash of the texts, is
    collected on the driver.

    Args:
        reviews: The table `reviews`.
        most: Greatest number of Chinese reviews, and of all other reviews, that are used.

    Returns:
        (at most two sentences of each review, without repetitions; texts of the reviews).
    """
    share = min(1.0, _SPARE * 2 * most / max(1, reviews.rows))
    dataset = reviews.dataset(_COLUMNS).map_batches(
        drawn, fn_kwargs={"share": share}, batch_format="pyarrow", batch_size=None
    )
    blocks = list(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
    texts = sorted({text for block in blocks for text in block["text"].to_pylist()})
    left = dict.fromkeys(("en", "zh"), most)
    out: dict[str, None] = {}
    chosen = []
    languages = detect_language(pa.array(texts, pa.string())).to_pylist()
    order = np.argsort(hash128([pa.array(texts, pa.string())])[0], kind="stable").tolist()
    for row in order:
        language = "zh" if languages[row] == "zh" else "en"
        if left[language] and not find(texts[row]):
            left[language] -= 1
            chosen.append(texts[row])
            pieces = [piece.text for piece in passages(texts[row]) if size(piece.text) >= _LEAST]
            out.update(dict.fromkeys(pieces[:_SENTENCES]))
    return list(out), chosen


def drawn(batch: pa.Table, share: float) -> pa.Table:
    """Return a sample of a batch's texts: those whose hash lies in the lowest `share` (0 to 1) of all hashes.

    Args:
        batch: Rows with a column `text`.
        share: 1 returns all texts; nulls are always left out.
    """
    texts = batch["text"].combine_chunks().drop_null()
    if share >= 1 or not len(texts):
        return pa.table({"text": texts})
    _, low = hash128([texts])
    return pa.table({"text": texts.filter(pa.array(low < np.uint64(share * 2**64)))})
