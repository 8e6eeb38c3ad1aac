"""Makes the training examples of `train_aspects`: weakly labelled clauses, and sentences that people labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.insights.clauses import review_clauses, split
from shopbatch.capabilities.insights.config import AspectExamplesConfig
from shopbatch.capabilities.insights.taxonomy import Taxonomy
from shopbatch.core.hashing import hash128
from shopbatch.core.spreadsheet_cells import restore
from shopbatch.tables.review_aspects import OTHER, POLARITIES
from shopbatch.text.visible import has_word
from shopbatch.warehouse.store import Snapshot
from shopbatch.warehouse.utf8 import blank

SOURCE = ("review_id", "title", "text", "rating", "label")
UNKNOWN = -1  # polarity of a review without stars and label, or of a mixed label
_CLAUSES = 4  # mean clauses of a review, a low estimate: tells how many reviews to read
_LONGEST = 20_000  # longest text that is learnt from, in bytes
_CLEAR = 2  # least words of a taxonomy in its reviews, and least factor over any other taxonomy


@dataclass(frozen=True)
class WeakClauses:
    """Distinct clauses of the shop's reviews, with automatic labels; their order depends on the texts alone.

    Attributes:
        texts: The clauses.
        reviews: Id of each clause's review (reviews.review_id).
        kind: Index of the taxonomy to which the review clearly belongs, int64 [n]; -1 where no taxonomy clearly fits.
        polarity: Index into POLARITIES, from the review's `label` or stars, int64 [n]; UNKNOWN if it has neither.
    """

    texts: list[str]
    reviews: list[str]
    kind: np.ndarray
    polarity: np.ndarray


@dataclass(frozen=True)
class Sentences:
    """The sentences that people labelled for one taxonomy.

    Attributes:
        ids: Ids of the sentences (aspect_labels.sentence_id).
        texts: The sentences.
        truth: True where a sentence has an aspect, bool [n, aspects].
        polarity: Index into POLARITIES of each aspect, int64 [n, aspects]; UNKNOWN where it is mixed or has no label.
        groups: Group number of each sentence, int64 [n]: sentences of one review share a group, so that
            cross-validation keeps them in one fold. A sentence without a review is a group by itself.
    """

    ids: list[str]
    texts: list[str]
    truth: np.ndarray
    polarity: np.ndarray
    groups: np.ndarray


def read_clauses(reviews: Snapshot, taxonomies: Mapping[str, Taxonomy], config: AspectExamplesConfig) -> WeakClauses:
    """Read a sample of the reviews, chosen by a hash of their content, and split it into clauses with weak labels.

    Args:
        reviews: The table `reviews`.
        taxonomies: The taxonomies by name; the order gives their numbers.
        config: Settings with the numbers of clauses to train on. About twice as many are returned; `fit_all` chooses
            from them.
    """
    wanted = (config.clauses * len(taxonomies) + config.polar_clauses) * 2 / _CLAUSES
    share = min(1.0, 1.5 * wanted / max(1, reviews.rows))
    dataset = reviews.dataset(SOURCE).map_batches(
        candidates, fn_kwargs={"share": share}, batch_format="pyarrow", batch_size=None
    )
    blocks = list(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
    rows = pl.concat([pl.DataFrame(b) for b in blocks]) if blocks else pl.DataFrame(candidates(reviews.read(SOURCE)))
    rows = rows.sort("order", "review_id").unique("order", maintain_order=True, keep="first")
    return weak_clauses(rows, taxonomies, int(wanted * _CLAUSES))


def candidates(batch: pa.Table, share: float = 1.0) -> pa.Table:
    """Return the reviews that can be learnt from: those whose text has a word and is at most 20,000 bytes long.

    Args:
        batch: Rows of `reviews` with the columns of SOURCE.
        share: Share of the reviews to return, 0 to 1. They are chosen by a hash of title and text.

    Returns:
        Columns review_id, title, text, polarity (int8, index into POLARITIES or UNKNOWN) and order (uint64, a hash of
        title and text by which `read_clauses` sorts the rows).
    """
    title, text = (blank(batch[name]) for name in ("title", "text"))
    content = pa.table([title, text], names=["title", "text"]).combine_chunks()
    high, low = hash128([content["title"], content["text"]])
    stated = pc.index_in(batch["label"], pa.array(POLARITIES)).cast(pa.int8())
    rating = batch["rating"]
    rated = pc.if_else(pc.less_equal(rating, 2), 0, pc.if_else(pc.equal(rating, 3), 1, 2)).cast(pa.int8())
    polarity = pc.fill_null(pc.coalesce(stated, rated), UNKNOWN)
    words = pa.chunked_array([has_word(chunk) for chunk in content["text"].chunks], pa.bool_())
    short = pc.less_equal(pc.fill_null(pc.binary_length(content["text"]), 0), _LONGEST)
    use = pc.and_(pc.and_(pc.fill_null(words, False), short), pa.array(low < np.uint64(min(share, 0.999999) * 2**64)))
    columns = [batch["review_id"], content["title"], content["text"], polarity, pa.array(high)]
    return pa.table(columns, names=["review_id", "title", "text", "polarity", "order"]).filter(use)


def weak_clauses(rows: pl.DataFrame, taxonomies: Mapping[str, Taxonomy], limit: int) -> WeakClauses:
    """Split reviews into at most about `limit` distinct clauses with weak labels.

    A clause that occurs in several reviews gets the labels of the first of these reviews.

    Args:
        rows: Rows of `candidates`.
        taxonomies: The taxonomies by name.
        limit: Number of distinct clauses after which no further review is split.
    """
    seen: dict[str, tuple[str, int, int]] = {}
    for review, title, text, polarity in rows.select("review_id", "title", "text", "polarity").iter_rows():
        if len(seen) >= limit:
            break
        kind = kind_of(f"{title or ''}\n{text}", list(taxonomies.values()))
        for clause in review_clauses(title, text):
            seen.setdefault(clause.text, (review, kind, polarity))
    names = [each[0] for each in seen.values()]
    numbers = np.asarray([each[1:] for each in seen.values()], np.int64).reshape(len(seen), 2)
    return WeakClauses(list(seen), names, numbers[:, 0], numbers[:, 1])


def kind_of(text: str, taxonomies: Sequence[Taxonomy]) -> int:
    """Return the index of the taxonomy to which a text clearly belongs by its words; -1 if no taxonomy clearly fits.

    With one taxonomy the answer is always 0. Else the text must have at least two different words of the taxonomy's
    `about` list, and twice as many as of any other taxonomy's list.
    """
    if len(taxonomies) == 1:
        return 0
    counts = np.asarray([taxonomy.evidence(text) for taxonomy in taxonomies])
    best = int(counts.argmax())
    second = int(np.delete(counts, best).max())
    return best if counts[best] >= _CLEAR and counts[best] >= _CLEAR * second else -1


def read_sentences(labels: pa.Table, taxonomies: Mapping[str, Taxonomy]) -> dict[str, Sentences]:
    """Group people's labels into sentences for each taxonomy, sorted by sentence id.

    Labels of an aspect that the taxonomy does not have are left out, and so are sentences without a letter or digit.

    Args:
        labels: Rows of `aspect_labels`, one per sentence and aspect.
        taxonomies: The taxonomies by name.
    """
    rows = pl.DataFrame(labels).sort("sentence_id", "aspect")
    by_taxonomy = {}
    for name, taxonomy in taxonomies.items():
        own = rows.filter((pl.col("taxonomy") == name) & pl.col("aspect").is_in([*taxonomy.names, OTHER]))
        ids, texts, truth, polarity, groups = [], [], [], [], []
        for (sentence,), part in own.group_by(["sentence_id"], maintain_order=True):
            if not split(text := restore(part["text"][0])):
                continue
            ids.append(str(sentence))
            texts.append(text)
            groups.append(part["review_id"][0] or f"sentence {sentence}")
            said = dict(zip(part["aspect"], part["polarity"], strict=True))
            truth.append([aspect in said for aspect in taxonomy.names])
            polarity.append([_number(said.get(aspect)) for aspect in taxonomy.names])
        shape = len(ids), len(taxonomy.names)
        number = np.unique(np.asarray(groups, str), return_inverse=True)[1].reshape(len(ids))
        arrays = np.asarray(truth, bool).reshape(shape), np.asarray(polarity, np.int64).reshape(shape)
        by_taxonomy[name] = Sentences(ids, texts, *arrays, number.astype(np.int64))
    return by_taxonomy


def _number(polarity: str | None) -> int:
    """Return the index of a polarity in POLARITIES; UNKNOWN for None (mixed, or not labelled)."""
    return POLARITIES.index(polarity) if polarity in POLARITIES else UNKNOWN
