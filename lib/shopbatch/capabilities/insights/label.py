"""Chooses review sentences for people to label (`shopbatch label`), and writes them into a CSV sheet.

Labels of these sentences would improve the model most: the model is uncertain about them, every aspect is represented,
and no two are nearly the same. The sheet has one row per sentence. A person fills in the columns `aspect` and
`polarity`, and copies the row for each further aspect of the sentence. `shopbatch load aspect_labels` reads it back.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.insights.clauses import review_clauses
from shopbatch.capabilities.insights.config import TrainAspectsConfig
from shopbatch.capabilities.insights.model import CUT, NAME, AspectModel, sigmoid
from shopbatch.capabilities.insights.taxonomy import Taxonomy, find
from shopbatch.capabilities.insights.train.examples import candidates, kind_of
from shopbatch.core.hashing import hash128, hex128
from shopbatch.core.spreadsheet_cells import protect, restore
from shopbatch.engines.base import encode_all
from shopbatch.engines.factory import open_engine
from shopbatch.models import registry
from shopbatch.tables.review_aspects import ASPECT_LABELS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

COLUMNS = ("sentence_id", "taxonomy", "text", "aspect", "polarity", "review_id")
_SOURCE = ("review_id", "title", "text", "rating", "label")
_POOL = 20  # candidate sentences per sentence that is chosen
_ROWS = 20_000  # reviews that are read, approximately
_SHORTEST, _LONGEST = 12, 300  # in characters; those of a text outside ASCII count three each
_BOM = "\ufeff"  # byte order mark; without it, Excel reads UTF-8 as Windows-1252


@dataclass(frozen=True)
class Sentence:
    """A sentence (a clause of a review) for a person to label.

    Attributes:
        text: The sentence.
        review: Id of its review (reviews.review_id).
        taxonomy: Name of the taxonomy that the review belongs to.
    """

    text: str
    review: str
    taxonomy: str

    @property
    def name(self) -> str:
        """Return the sentence's id: 16 hex digits of a hash of its text, so the same text always gets the same id."""
        return str(hex128(*hash128([pa.array([self.text])])).to_pylist()[0])[:16]


def to_label(store: Store, config: TrainAspectsConfig, count: int, seed: int) -> list[Sentence]:
    """Choose the sentences of the shop's reviews whose labels would improve the model most, the most useful first.

    With a live model, these are the sentences about which the model is least sure. Without one (or with the fake
    engine), they are drawn at random; sentences with and without a word of a taxonomy's lexicon alternate. Sentences
    that are labelled already are left out. Of several sentences that are nearly the same, only one is returned.

    Args:
        store: The warehouse with the reviews, labels and models.
        config: Settings of `train_aspects`, of which the taxonomies and the engine are used.
        count: Maximum number of sentences to return.
        seed: Random seed; another seed draws from other reviews.

    Returns:
        The sentences; [] if no unlabelled sentence is found.

    Raises:
        UserError: There are no reviews, or a taxonomy is unknown.
        ModelError: The live model or its encoder is missing or damaged.
    """
    taxonomies = dict(find(name) for name in config.taxonomies)
    pool = _pool(store, taxonomies, count * _POOL, seed)
    live = None if config.engine.kind == "fake" else registry.find_live(f"{store.root}/_models", NAME)
    if not pool:
        return []
    texts = [each.text for each in pool]
    if live is None:
        order = _without_model(pool, taxonomies, seed)
        return _spread(pool, order, _shingles(texts), count)
    model = AspectModel.load(live.path)
    encoder = registry.find(f"{store.root}/_models", model.encoder)
    vectors = encode_all(open_engine(config.engine, encoder.path), pa.array(texts)).vectors
    doubt = _doubt(model, pool, vectors)
    return _spread(pool, _in_turn(doubt), _normalised(vectors), count)


def write_sheet(out: IO[str], sentences: Sequence[Sentence]) -> None:
    """Write the sentences as CSV for a spreadsheet, with cells escaped so that none is taken for a formula.

    Args:
        out: Open text file; it begins with a byte order mark so that Excel reads UTF-8.
        sentences: The sentences; the columns `aspect` and `polarity` are left empty for a person to fill in.
    """
    out.write(_BOM)
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for each in sentences:
        writer.writerow([protect(x) for x in (each.name, each.taxonomy, each.text, "", "", each.review)])


def _pool(store: Store, taxonomies: Mapping[str, Taxonomy], size: int, seed: int) -> list[Sentence]:
    """Return at most `size` distinct unlabelled sentences of reviews that are chosen by a hash of their content.

    Only reviews that clearly belong to one of the taxonomies and sentences of a suitable length are used.
    """
    reviews = store.require(REVIEWS, _SOURCE)
    labels = store.find(ASPECT_LABELS.name)
    known = set() if labels is None else {restore(str(t)).strip() for t in labels.read(["text"])["text"].to_pylist()}
    rows = pl.DataFrame(candidates(_some_rows(reviews, seed)))
    rows = rows.unique("order").with_columns((pl.col("order") ^ pl.lit(seed, pl.UInt64)).hash(seed).alias("draw"))
    distinct: dict[str, Sentence] = {}
    names = list(taxonomies)
    for review, title, text in rows.sort("draw", "order").select("review_id", "title", "text").iter_rows():
        if len(distinct) >= size:
            break
        if (kind := kind_of(f"{title or ''}\n{text}", list(taxonomies.values()))) < 0:
            continue
        for clause in review_clauses(title, text):
            width = len(clause.text) if clause.text.isascii() else 3 * len(clause.text)
            if _SHORTEST <= width <= _LONGEST and clause.text not in known:
                distinct.setdefault(clause.text, Sentence(clause.text, review, names[kind]))
    return list(distinct.values())[:size]


def _some_rows(reviews: Snapshot, seed: int) -> pa.Table:
    """Read every n-th row of each file of `reviews`: about _ROWS rows in all, one file at a time."""
    step, schema = max(1, reviews.rows // _ROWS), reviews.select(_SOURCE)
    parts = [schema.empty_table()]
    for file in reviews.files:
        part = files.read(file.uri, schema, file.partition)
        parts.append(part.take(pa.array(np.arange(min(seed % step, max(0, part.num_rows - 1)), part.num_rows, step))))
    return pa.concat_tables(parts)


def _doubt(model: AspectModel, pool: Sequence[Sentence], vectors: np.ndarray) -> np.ndarray:
    """Return the model's uncertainty (0 to 1) about each aspect of each sentence.

    1 means that the probability is at the threshold. A sentence of a taxonomy that the model does not know has 1 for
    every aspect; aspects of other taxonomies than the sentence's have 0.

    Returns:
        float64 [sentences, aspects of all taxonomies of the model].
    """
    doubt = np.zeros((len(pool), len(model.arrays["lexicon"])))
    kinds = np.asarray([each.taxonomy for each in pool], object)
    for name in dict.fromkeys(each.taxonomy for each in pool):
        rows = np.flatnonzero(kinds == name)
        if name not in model.taxonomies:
            doubt[rows] = 1.0
            continue
        hits = model.taxonomies[name].hits([pool[i].text for i in rows.tolist()])
        logits = model.aspect_logits(name, vectors[rows], hits)
        doubt[rows, model.columns[name]] = 1 - np.abs(2 * sigmoid(logits - CUT) - 1)
    return doubt


def _in_turn(doubt: np.ndarray) -> list[int]:
    """Return sentence indices that cycle through the aspects, the most uncertain sentence of each aspect first.

    Each sentence belongs to the aspect that is most uncertain in it.
    """
    best = doubt.argmax(axis=1)
    ranked = np.lexsort((np.arange(len(doubt)), -doubt.max(axis=1)))
    places = np.zeros(len(doubt), np.int64)
    for aspect in np.unique(best):
        own = ranked[best[ranked] == aspect]
        places[own] = np.arange(len(own))
    return [int(i) for i in np.lexsort((-doubt.max(axis=1), places))]


def _without_model(pool: Sequence[Sentence], taxonomies: Mapping[str, Taxonomy], seed: int) -> list[int]:
    """Return the order in which sentences are chosen if there is no model, as indices into `pool`.

    The order is random, except that sentences with and without a word of a lexicon alternate.
    """
    draw = np.random.default_rng(seed).permutation(len(pool))
    hits = np.asarray([taxonomies[each.taxonomy].hits([each.text]).any() for each in pool], bool)
    with_word, without = draw[hits[draw]], draw[~hits[draw]]
    place = np.empty(len(pool))
    place[with_word], place[without] = np.arange(len(with_word)), np.arange(len(without)) + 0.5
    return [int(i) for i in np.argsort(place, kind="stable")]


def _spread(pool: Sequence[Sentence], order: Sequence[int], vectors: np.ndarray, count: int) -> list[Sentence]:
    """Return the first `count` sentences of an order, skipping those that are nearly the same as one chosen before.

    Args:
        pool: The sentences.
        order: Indices into `pool`, the most useful first.
        vectors: Vectors of length 1 of the sentences, [n, dim]; their dot product is the similarity.
        count: Maximum number of sentences to return.
    """
    limit = np.quantile(vectors[:200] @ vectors[:200].T, 0.99) if len(vectors) > 1 else 1.0
    chosen: list[int] = []
    for row in order:
        if len(chosen) == count:
            break
        if not chosen or float((vectors[chosen] @ vectors[row]).max()) < max(limit, 0.3):
            chosen.append(row)
    return [pool[row] for row in chosen]


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors centred and scaled to length 1, so that their dot product is a cosine."""
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9))


def _shingles(texts: Sequence[str]) -> np.ndarray:
    """Return hashed counts of character pairs, scaled to length 1, float64 [n, 512]: enough to find near duplicates."""
    counts = np.zeros((len(texts), 512))
    for row, text in enumerate(texts):
        points = np.frombuffer(text.lower().encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        np.add.at(counts[row], (points[:-1] * 31 + points[1:]) % 512, 1)
    return np.asarray(counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9))
