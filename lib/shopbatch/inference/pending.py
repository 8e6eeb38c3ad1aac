"""Joins the indexed source with the memo: which contents must be computed, and which result belongs to each row.

A content is the set of values from which a row's result is computed; rows with equal content hash share one result.
`run.py` uses this module to find pending contents, `derive.py` to look up results. `find_pending` and `look_up` run as
tasks, each on one hash shard: the source rows and the memo rows whose content hash falls into that shard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.inference.memo import Memo
from shopbatch.inference.refs import ObjectRefs, fetch, scatter
from shopbatch.inference.resolve import resolve
from shopbatch.inference.shards import gather, numbered, to_arrow
from shopbatch.inference.source import Index
from shopbatch.inference.spec import INFRA, MAX_ATTEMPTS, Spec


@dataclass(frozen=True)
class RetryPolicy:
    """Which contents are computed again although the memo has an entry for them.

    Attributes:
        rejects: True: all rejected contents.
        infra: True: contents rejected for a reason outside the row (`spec.INFRA`, such as a crash), up to MAX_ATTEMPTS
            attempts in all.
        attempts: Greatest number of attempts at a content whose result the stage's checks refuse; 1: no second attempt.
    """

    rejects: bool = False
    infra: bool = True
    attempts: int = 1


@dataclass(frozen=True)
class PendingCounts:
    """Numbers of contents of one hash shard.

    Attributes:
        distinct: Distinct contents of the source, without those that cannot be scored.
        reused: Contents whose result or rejection in the memo is used.
        pending: Contents to be computed, one number for each part of the source.
    """

    distinct: int
    reused: int
    pending: list[int]


@dataclass(frozen=True)
class Pending:
    """The contents that must be computed, of all hash shards.

    Attributes:
        distinct: Number of distinct contents of the source, without those that cannot be scored.
        reused: Number of contents whose result or rejection in the memo is used.
        counts: Number of pending contents of each part of the source.
        shards: shards[shard][part]: references to the tables of pending rows, see `find_pending`.
    """

    distinct: int
    reused: int
    counts: list[int]
    shards: list[ObjectRefs]

    @property
    def total(self) -> int:
        """Number of pending contents of all parts."""
        return sum(self.counts)


def find_pending(spec: Spec, parts: int, policy: RetryPolicy, *pieces: pa.Table) -> list[Any]:
    """Find the pending contents of one hash shard.

    Args:
        spec: The inference job.
        parts: Number of parts of the source.
        policy: Which rejected contents are computed again.
        pieces: First one table (hi, lo, pos) for each part, with the source rows of the shard that can be scored; then
            the memo's tables of the shard, oldest first.

    Returns:
        [PendingCounts, pending rows of part 0, of part 1, ...]. Pending rows have the columns pos (uint32, position in
        the part), hi, lo (uint64, the words of the content hash) and attempt (int8, from 1). Each content has one row:
        the first source row that has it.
    """
    owners = numbered(pieces[:parts]).unique(["hi", "lo"], keep="first", maintain_order=True)
    todo = owners.with_columns(pl.lit(1, dtype=pl.Int8).alias("attempt"))
    if pieces[parts:]:
        memo = resolve(spec, gather(pieces[parts:]), judge=policy.rejects or policy.attempts > 1)
        memo = memo.select("hi", "lo", "reason", "verdict", "attempt")
        retry = pl.lit(policy.infra) & pl.col("reason").is_in(list(INFRA)) & (pl.col("attempt") < MAX_ATTEMPTS)
        refused = pl.col("reason").is_null() & pl.col("verdict").is_not_null()
        retry = retry | (refused & (pl.col("attempt") < policy.attempts))
        if policy.rejects:
            retry = pl.col("verdict").is_not_null()
        joined = owners.join(memo, on=["hi", "lo"], how="left", maintain_order="left")
        todo = joined.filter(pl.col("attempt").is_null() | retry.fill_null(False)).with_columns(
            (pl.col("attempt").fill_null(0) + 1).cast(pl.Int8).alias("attempt")
        )
    pending = [to_arrow(todo.filter(pl.col("part") == i).select("pos", "hi", "lo", "attempt")) for i in range(parts)]
    counts = PendingCounts(len(owners), len(owners) - len(todo), [len(p) for p in pending])
    return [counts, *pending]


def look_up(spec: Spec, parts: int, *pieces: pa.Table) -> list[Any]:
    """Look up the memo's results for the source rows of one hash shard.

    Args:
        spec: The inference job.
        parts: Number of parts of the source.
        pieces: The source rows and the memo's tables of the shard, as for `find_pending`.

    Returns:
        [None, answers for part 0, for part 1, ...]. The answers for a part are a table with one row for each of its
        source rows: `pos`, the memo's columns, and `verdict` (why the row cannot be published; null: it can). If the
        memo has no entry for a row, all columns but `pos` are null. If the memo has no rows in this shard, `pos` is the
        only column.
    """
    if not pieces[parts:]:
        return [None, *(to_arrow(pl.DataFrame(piece).select("pos")) for piece in pieces[:parts])]
    memo = resolve(spec, gather(pieces[parts:]), judge=True)
    words, results = memo.select("hi", "lo").with_row_index("row"), memo.drop("hi", "lo")
    alike = words["hi"].is_duplicated().any()  # a join by both words takes twice as long as one by the high word
    answers = []
    for piece in pieces[:parts]:
        rows = pl.DataFrame(piece)
        joined = rows.join(words, on=["hi", "lo"] if alike else "hi", how="left", maintain_order="left")
        same = pl.lit(True) if alike else pl.col("lo") == pl.col("lo_right")
        row = joined.select(pl.when(same).then("row")).to_series()
        answers.append(to_arrow(rows.select("pos").hstack(results.select(pl.all().gather(row)))))
    return [None, *answers]


def all_pending(spec: Spec, index: Index, memo: Memo, policy: RetryPolicy) -> Pending:
    """Find the pending contents of all hash shards, one task per shard."""
    parts = len(index.parts)
    searched = [
        scatter(find_pending, parts, spec, parts, policy, *(p[s] for p in index.pieces), *memo.shard(s))
        for s in range(index.shards if parts else 0)
    ]
    counts: list[PendingCounts] = fetch([shard.summary for shard in searched])
    return Pending(
        distinct=sum(c.distinct for c in counts),
        reused=sum(c.reused for c in counts),
        counts=[sum(c.pending[p] for c in counts) for p in range(parts)],
        shards=[shard.pieces for shard in searched],
    )


def all_answers(spec: Spec, index: Index, memo: Memo) -> list[ObjectRefs]:
    """Start looking up the memo's results for all source rows, one task per hash shard.

    Returns:
        answers[shard][part]: references to the tables of `look_up`.
    """
    parts = len(index.parts)
    return [
        scatter(look_up, parts, spec, parts, *(p[s] for p in index.pieces), *memo.shard(s)).pieces
        for s in range(index.shards)
    ]
