"""Gets the vectors that an index is built from: products' from the memo, reference queries' from the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from shopbatch.capabilities.search.encoder import SearchEncoder
from shopbatch.capabilities.search.language_vectors import LanguageVectors, learnt, reference_queries
from shopbatch.core.hashing import hex128
from shopbatch.inference.spec import Spec
from shopbatch.vectors.columns import matrix
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store


def fill_from_memo(store: Store, spec: Spec, contents: Sequence[str], vectors: np.ndarray) -> int:
    """Fill an array with the products' vectors at full precision, from the memo of `embed_products`.

    Args:
        store: The warehouse.
        spec: The inference job; its recipe selects the vectors in the memo.
        contents: The content hash of each row, [n].
        vectors: float16 [n, dim]; a row is overwritten where the memo holds its vector.

    Returns:
        The number of rows for which the memo holds no vector.
    """
    row_of: dict[str, list[int]] = {}
    for number, content in enumerate(contents):
        row_of.setdefault(content, []).append(number)
    memo = store.find(spec.memo.name)
    if memo is None or not len(contents):
        return len(contents)
    schema = memo.select(["hash_hi", "hash_lo", "reason", "vector"])
    for file in memo.files:  # in commit order: of several results for a content the first one counts
        if file.partition["recipe"] != spec.recipe:
            continue
        part = pl.DataFrame(files.read(file.uri, schema, file.partition)).filter(pl.col("reason").is_null())
        words = (part[name].to_numpy().view(np.uint64) for name in ("hash_hi", "hash_lo"))
        hashes = hex128(*words).to_pylist()
        at = [i for i, content in enumerate(hashes) if content in row_of]
        if not at:
            continue
        fine = matrix(part["vector"].gather(at).to_arrow())
        for vector, i in zip(fine, at, strict=True):
            for number in row_of.pop(hashes[i], ()):
                vectors[number] = vector
    return sum(map(len, row_of.values()))


def of_queries(encoder: SearchEncoder) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the mean query vector of each language and the maps between languages, learnt from the reference queries.

    Returns:
        (float32 [dim] by language, float32 [dim, dim] by "from-to"), as `language_vectors.learnt` returns them.
    """
    by_language = reference_queries()
    vectors = encoder.embed_queries([text for texts in by_language.values() for text in texts])
    ends = np.cumsum([len(texts) for texts in by_language.values()])[:-1]
    return learnt(dict(zip(by_language, np.split(vectors, ends), strict=True)))


def reference_vectors(encoder: SearchEncoder, spoken: LanguageVectors, shares: Mapping[str, float]) -> np.ndarray:
    """Return the reference queries' vectors as the index searches for them (centred and mapped), float32 [n, dim].

    `list_choice` measures with them how many lists a query has to read.

    Args:
        encoder: The encoder.
        spoken: The mean vectors and maps of the index.
        shares: The share of the products in each language, 0 to 1.
    """
    texts = reference_queries()
    languages = [language for language, some in texts.items() for _ in some]
    vectors = encoder.embed_queries([text for some in texts.values() for text in some])
    return spoken.of_queries(vectors, languages, shares)
