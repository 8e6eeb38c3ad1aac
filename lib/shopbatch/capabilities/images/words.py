"""Words -> pictures, with an encoder that reads both, such as CLIP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.capabilities.images import page
from shopbatch.capabilities.images.config import FindSimilarImagesConfig
from shopbatch.capabilities.images.rows import Vectors, all_vectors, require_pictures
from shopbatch.core.errors import UserError
from shopbatch.engines.images.factory import open_text_side
from shopbatch.models import registry
from shopbatch.vectors.dense import DenseIndex, normalised
from shopbatch.warehouse.store import Snapshot, Store


def search_by_words(store: Store, texts: Sequence[str], k: int = 10) -> list[list[tuple[str, float]]]:
    """Find the pictures that words fit best: for each text the best image ids with their cosines.

    Raises:
        UserError: There are no vectors, or their encoder reads no texts.
    """
    vectors = require_pictures(store)[1]
    return _best(store, texts, k, vectors, all_vectors(vectors))


def pictures_of_words(
    config: FindSimilarImagesConfig, store: Store, vectors: Snapshot, whole: Vectors
) -> list[page.Section]:
    """Make a section of the page of the texts that are configured; none without any."""
    if not config.texts:
        return []
    best = _best(store, config.texts, config.k, vectors, whole)
    rows = [
        [page.Card(image_id, f"{score:.2f}", text) for image_id, score in answers]
        for text, answers in zip(config.texts, best, strict=True)
    ]
    return [page.Section("Words", "The pictures that each of the texts fits best.", rows)]


def _best(
    store: Store, texts: Sequence[str], k: int, vectors: Snapshot, whole: Vectors
) -> list[list[tuple[str, float]]]:
    encoder = str(vectors.metadata.get("encoder", ""))
    if not encoder:
        raise UserError("the pictures' vectors are of the fake engine, which reads no texts")
    side = open_text_side(registry.find(f"{store.root}/_models", encoder).path)
    queries = normalised(side.encode(texts))
    index = DenseIndex(whole.codes, whole.scales, np.zeros((0, 0), np.float16))
    return [
        [(whole.image_ids[at], float(score)) for at, score in zip(rows.tolist(), scores.tolist(), strict=True)]
        for rows, scores in index.top(queries, min(k, len(whole.image_ids)))
    ]
