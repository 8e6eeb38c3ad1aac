"""Find pictures by words, with an encoder that reads both pictures and texts, such as CLIP."""

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
    """Return for each text the k best pictures, best first, as (image id, cosine).

    Args:
        store: The warehouse with `image_vectors`.
        texts: Texts such as "red shoe".
        k: Number of pictures for each text.

    Raises:
        UserError: There are no vectors, or their encoder reads no texts.
    """
    vectors = require_pictures(store)[1]
    return _best(store, texts, k, vectors, all_vectors(vectors))


def pictures_of_words(
    config: FindSimilarImagesConfig, store: Store, vectors: Snapshot, whole: Vectors
) -> list[page.Section]:
    """Return the section of the page with the best pictures for each text in `config.texts`; [] without texts.

    Args:
        config: Settings with the texts and the number of pictures for each.
        store: The warehouse, whose registry holds the encoder.
        vectors: Pinned snapshot of `image_vectors`, which names the encoder.
        whole: All rows of this snapshot.
    """
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
