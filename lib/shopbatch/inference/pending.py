"""What the memo does not hold yet, and what it holds for each row of a part.

Called by `run.py` and `candidate.py`. Both functions see one shard: its contents, a table per part, and its memo rows.
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
    """Which rejected contents are tried again.

    Attributes:
        rejects: Whether every rejected content is tried again.
        infra: Whether contents are tried again that were rejected for a reason outside the row, up to MAX_ATTEMPTS
            attempts in all.
        attempts: How often, in all, a content is tried that the stage's checks refuse.
    """

    rejects: bool = False
    infra: bool = True
    attempts: int = 1


@dataclass(frozen=True)
class PendingCounts:
    """Contents of one shard: distinct ones, those whose result or reject stands, and the pending ones of each part."""

    distinct: int
    reused: int
    pending: list[int]


@dataclass(frozen=True)
class Pending:
    """What is to be computed.

    Attributes:
        distinct: Number of distinct contents that can be scored.
        reused: Number of these whose result or reject stands.
        counts: Number of pending contents of each part.
        shards: shards[shard][part]: references to the pending rows.
    """

    distinct: int
    reused: int
    counts: list[int]
    shards: list[ObjectRefs]

    @property
    def total(self) -> int:
        """Number of pending contents."""
        return sum(self.counts)


def find_pending(spec: Spec, parts: int, policy: RetryPolicy, *pieces: pa.Table) -> list[Any]:
    """Find the pending contents of one shard.

    Args:
        spec: The job.
        parts: Number of parts.
        policy: Which rejected contents are tried again.
        pieces: The shard's contents, one table per part, then its memo pieces, oldest first.

    Returns:
        [PendingCounts, pending rows of part 0, 1, ...].
        pending rows: pos (uint32), hi, lo (uint64), attempt (int8, from 1), one per content, owned by its first row.
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
    """Look up the results of one shard; pieces as for `find_pending`.

    Returns:
        [None, answers for part 0, 1, ...].
        answers: pos, the memo's columns and `verdict` for each row of the part; all null if the memo holds nothing.
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
    """Find the pending contents of all shards."""
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
    """Start the look-up of all shards; answers[shard][part]."""
    parts = len(index.parts)
    return [
        scatter(look_up, parts, spec, parts, *(p[s] for p in index.pieces), *memo.shard(s)).pieces
        for s in range(index.shards)
    ]
