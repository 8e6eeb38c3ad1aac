"""Reviews and people's labels -> examples: clauses with weak labels, and labelled sentences."""

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
UNKNOWN = -1  # polarity of a review without stars and label, or of a label that is mixed
_CLAUSES = 4  # clauses that a review has at least, on average: so many fewer reviews are read than clauses needed
_LONGEST = 20_000  # bytes of a text that is learnt from
_CLEAR = 2  # this many words of a kind's own, and as many times those of any other, make a review of that kind


@dataclass(frozen=True)
class WeakClauses:
    """Clauses of the shop's reviews, each text once, in an order that depends on the texts alone.

    Attributes:
        texts: The clauses.
        reviews: The review of each (reviews.review_id).
        kind: Number of the taxonomy that the review clearly belongs to; -1 where it is not clear. int64 [n].
        polarity: Number in POLARITIES that the review's stars or label say; UNKNOWN without them. int64 [n].
    """

    texts: list[str]
    reviews: list[str]
    kind: np.ndarray
    polarity: np.ndarray


@dataclass(frozen=True)
class Sentences:
    """The sentences of one taxonomy that people labelled.

    Attributes:
        ids: Their names (aspect_labels.sentence_id).
        texts: The sentences.
        truth: Which aspects each has, bool [n, aspects].
        polarity: Number in POLARITIES of each aspect; UNKNOWN where it is mixed or not there. int64 [n, aspects].
        groups: Number of what each is from, int64 [n]: its review, or itself.
    """

    ids: list[str]
    texts: list[str]
    truth: np.ndarray
    polarity: np.ndarray
    groups: np.ndarray


def read_clauses(reviews: Snapshot, taxonomies: Mapping[str, Taxonomy], config: AspectExamplesConfig) -> WeakClauses:
    """Read a part of the reviews, chosen by hash of the content, and split it into clauses."""
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
    """Return the rows that can be learnt from: review_id, title, text, polarity (int8), order (a hash of the content).

    Args:
        batch: SOURCE.
        share: Share of the contents to return, chosen by hash, 0 to 1.
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
    """Split rows of `candidates`; at most `limit` different clauses are returned."""
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
    """Return the number of the taxonomy that a review clearly belongs to by its words; -1 if it is not clear."""
    if len(taxonomies) == 1:
        return 0
    counts = np.asarray([taxonomy.evidence(text) for taxonomy in taxonomies])
    best = int(counts.argmax())
    second = int(np.delete(counts, best).max())
    return best if counts[best] >= _CLEAR and counts[best] >= _CLEAR * second else -1


def read_sentences(labels: pa.Table, taxonomies: Mapping[str, Taxonomy]) -> dict[str, Sentences]:
    """Put together people's labels of the sentences of each taxonomy, in the order of the sentences' names.

    An aspect that the taxonomy does not have, and a sentence without a clause, are left out.
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
    return POLARITIES.index(polarity) if polarity in POLARITIES else UNKNOWN
