"""The memo: raw results by (recipe, content hash), an append-only Delta table that the published one is derived from.

Several rows may exist for one content (a crash, two runs at once, another attempt). The reader's rule: a result that
the stage's checks let pass beats any other row; of such results the earliest commit wins, then the lowest file and row;
of the others the latest attempt.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
import ray

from shopbatch.inference.source import Refs, gather, split
from shopbatch.inference.spec import INFRA, MAX_ATTEMPTS, Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Store

LEASE_SECONDS = 600.0
FILES_A_TASK = 128
COMPACT_FILES = 1_000


@ray.remote
def split_memo(refs: Sequence[FileRef], schema: pa.Schema, shards: int) -> list[Any]:
    """[rows, rows of shard 0, 1, ...] of some memo files, in the files' order; hi and lo as uint64."""
    frame = gather([files.read(f.uri, schema, f.partition) for f in refs])
    words = [pl.col(f"hash_{w}").reinterpret(signed=False).alias(w) for w in ("hi", "lo")]
    return [len(frame), *split(frame.select(*words, pl.exclude("hash_hi", "hash_lo", "recipe")), "hi", shards)]


def judged(spec: Spec, memo: pl.DataFrame) -> pl.DataFrame:
    """The rows with `verdict`: why there is no result, or why the stage's checks refuse it; null: it may be shown."""
    raw = memo.select(spec.stage.outputs.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    refused = pl.Series("verdict", spec.stage.judge(raw.cast(spec.stage.outputs)), dtype=pl.String)
    return memo.with_columns(
        pl.when(pl.col("reason").is_null()).then(refused).otherwise(pl.col("reason")).alias("verdict")
    )


def resolve(spec: Spec, memo: pl.DataFrame, judge: bool) -> pl.DataFrame:
    """One row a content, by the reader's rule, with its `verdict`. `memo`: rows in the order of their commits.

    judge: of all; else only of contents that have several rows, and `verdict` is `reason` for the others.
    """
    twice = memo.select(pl.struct("hi", "lo").is_duplicated()).to_series()
    if judge or twice.any():
        memo = memo.with_row_index("nth")
        ask = memo if judge else memo.filter(twice)
        plain = memo.clear() if judge else memo.filter(~twice)
        memo = pl.concat([judged(spec, ask), plain.with_columns(pl.col("reason").alias("verdict"))]).sort("nth")
        worst_last = pl.when(pl.col("verdict").is_null()).then(0).otherwise(100 - pl.col("attempt").cast(pl.Int32))
        ranked = memo.with_columns(worst_last.alias("rank")).sort("rank", "nth")
        return ranked.unique(["hi", "lo"], keep="first", maintain_order=True).drop("nth", "rank")
    return memo.with_columns(pl.col("reason").alias("verdict"))


@dataclass
class Memo:
    """One recipe's part of the memo, as this run sees it. `load` and `commit` are called by the driver only."""

    store: Store
    spec: Spec
    run_id: str
    shards: int
    pieces: list[Refs] = field(default_factory=list)  # a batch of files each: one reference a shard
    loaded: set[str] = field(default_factory=set)
    commits: int = 0
    commit_seconds: float = 0.0

    @property
    def root(self) -> str:
        return self.store.uri(self.spec.memo.name)

    @property
    def folder(self) -> str:
        """Where this run's files go, under the memo's root."""
        return f"recipe={self.spec.recipe}/{self.run_id}"

    def _lease(self, run: str) -> str:
        return f"{self.store.root}/_runs/{self.spec.job}/{run}/inflight"

    def visible(self) -> list[FileRef]:
        """The files of this recipe in the newest version."""
        snapshot = self.store.find(self.spec.memo.name)
        return [f for f in snapshot.files if f.partition["recipe"] == self.spec.recipe] if snapshot else []

    def load(self) -> None:
        """Split what was committed since the last call; pieces stay in the order of the commits."""
        new = [f for f in self.visible() if f.path not in self.loaded]
        self.pieces += self._split(new)
        self.loaded |= {f.path for f in new}

    def _split(self, refs: Sequence[FileRef]) -> list[Refs]:
        task, schema = split_memo.options(num_returns=1 + self.shards), self.spec.memo.schema()
        batches = [refs[start : start + FILES_A_TASK] for start in range(0, len(refs), FILES_A_TASK)]
        return [task.remote(batch, schema, self.shards)[1:] for batch in batches]

    def shard(self, number: int) -> Refs:
        """References to the pieces of one shard, oldest commit first."""
        return [piece[number] for piece in self.pieces]

    def commit(self, written: Sequence[DataFile]) -> None:
        """Make a batch of files visible; a file that another run has adopted already is left as it is."""
        if written:
            began = time.monotonic()
            key = f"{self.run_id}/{self.commits}"
            self.store.commit(self.spec.memo, written, "append", key, {"run_id": self.run_id})
            self.commits += 1
            self.commit_seconds += time.monotonic() - began

    def hold_lease(self) -> None:
        """Say that files of this run may lie in the memo's folder uncommitted. Renewed by every call."""
        files.write_bytes(self._lease(self.run_id), json.dumps({"recipe": self.spec.recipe}).encode())

    def end_lease(self) -> None:
        """Say that everything this run wrote is committed."""
        files.remove(self._lease(self.run_id))

    def adopt(self) -> int:
        """Commit what killed runs of this recipe had written but not committed; returns the number of files.

        A run that is still alive may be adopted from too: its own commit then leaves those files out.
        """
        found = 0
        for run, age in self._leases().items():
            if run != self.run_id:
                orphans = self._whole_files(run)
                self.commit(orphans)
                found += len(orphans)
                if age > LEASE_SECONDS:
                    files.remove(self._lease(run))
        return found

    def _leases(self) -> dict[str, float]:
        """The runs that may have uncommitted files of this recipe, and the seconds since they said so."""
        fs, runs = files.filesystem(f"{self.store.root}/_runs/{self.spec.job}")
        ages = {}
        for folder in fs.get_file_info(pafs.FileSelector(runs, allow_not_found=True)):
            info = fs.get_file_info(f"{folder.path}/inflight")
            if info.type == pafs.FileType.File and info.mtime is not None:
                with suppress(FileNotFoundError), fs.open_input_stream(info.path) as stream:
                    if json.loads(stream.read())["recipe"] == self.spec.recipe:
                        ages[folder.base_name] = time.time() - info.mtime.timestamp()
        return ages

    def _whole_files(self, run: str) -> list[DataFile]:
        """What a run has written for this recipe. A file that a lost machine left half written is left alone."""
        fs, folder = files.filesystem(f"{self.root}/recipe={self.spec.recipe}/{run}")
        schema, partition = self.spec.memo.file_schema(), {"recipe": self.spec.recipe}
        whole = []
        for file in fs.get_file_info(pafs.FileSelector(folder, allow_not_found=True)):
            if file.base_name.endswith(".parquet") and not file.base_name.startswith("."):
                path = f"recipe={self.spec.recipe}/{run}/{file.base_name}"
                with suppress(pa.ArrowInvalid, OSError):
                    whole.append(files.describe(self.root, path, schema, partition))
        return whole

    def compact(self) -> None:
        """Many small files into one a shard; only files of runs that have ended, so that none is adopted again."""
        open_runs = self._leases()
        small = [f for f in self.visible() if f.path.split("/")[1] not in open_runs and f.rows < 262_144]
        if len(small) < COMPACT_FILES:
            return
        pieces = self._split(small)
        written = [
            write_compacted.remote(self.spec, self.root, f"{self.folder}c", s, *(p[s] for p in pieces))
            for s in range(self.shards)
        ]
        merged = [f for f in ray.get(written) if f is not None]
        key = f"{self.run_id}/compact"
        self.store.commit(self.spec.memo, merged, "compact", key, removed=[f.path for f in small])


@ray.remote
def write_compacted(spec: Spec, root: str, folder: str, shard: int, *pieces: pa.Table) -> DataFile | None:
    """One shard's rows, resolved and sorted by hash, as one memo file."""
    memo = resolve(spec, gather(pieces), judge=False).drop("verdict").sort("hi", "lo")
    if memo.is_empty():
        return None
    path = f"{folder}/compact-{shard:03d}.parquet"
    files.write(f"{root}/{path}", memo_table(spec, memo))
    return files.describe(root, path, spec.memo.file_schema(), {"recipe": spec.recipe})


def memo_table(spec: Spec, frame: pl.DataFrame) -> pa.Table:
    """A frame with hi and lo as a memo file's table."""
    words = [pl.col(w).reinterpret(signed=True).alias(f"hash_{w}") for w in ("hi", "lo")]
    schema = spec.memo.file_schema()
    arrow = frame.with_columns(words).to_arrow(compat_level=pl.CompatLevel.oldest())
    return arrow.select(schema.names).cast(schema)


@dataclass(frozen=True)
class Again:
    """Which rejected contents are tried again. rejects: all of them. infra: those that no row is to blame for.

    attempts: those that the stage's checks refuse, up to so many attempts in all.
    """

    rejects: bool = False
    infra: bool = True
    attempts: int = 1


@ray.remote
def find_pending(spec: Spec, parts: int, again: Again, *pieces: pa.Table) -> list[Any]:
    """[counts, pending of part 0, 1, ...] of one shard.

    pieces: the shard's content pieces, a part each, then its memo pieces, oldest first.
    counts: distinct, reused (distinct contents whose result or reject stands), pending (a list, a part each).
    pending: pos (uint32), hi, lo (uint64), attempt (int8, from 1): one row a content, its first row the owner.
    """
    rows = pl.concat(
        [pl.DataFrame(p).with_columns(pl.lit(i, dtype=pl.UInt32).alias("part")) for i, p in enumerate(pieces[:parts])]
    )
    owners = rows.unique(["hi", "lo"], keep="first", maintain_order=True)
    todo = owners.with_columns(pl.lit(1, dtype=pl.Int8).alias("attempt"))
    if pieces[parts:]:
        memo = resolve(spec, gather(pieces[parts:]), judge=again.rejects or again.attempts > 1)
        memo = memo.select("hi", "lo", "reason", "verdict", "attempt")
        retry = pl.lit(again.infra) & pl.col("reason").is_in(list(INFRA)) & (pl.col("attempt") < MAX_ATTEMPTS)
        refused = pl.col("reason").is_null() & pl.col("verdict").is_not_null()
        retry = retry | (refused & (pl.col("attempt") < again.attempts))
        if again.rejects:
            retry = pl.col("verdict").is_not_null()
        joined = owners.join(memo, on=["hi", "lo"], how="left", maintain_order="left")
        todo = joined.filter(pl.col("attempt").is_null() | retry.fill_null(False)).with_columns(
            (pl.col("attempt").fill_null(0) + 1).cast(pl.Int8).alias("attempt")
        )
    pending = [
        todo.filter(pl.col("part") == i)
        .select("pos", "hi", "lo", "attempt")
        .to_arrow(compat_level=pl.CompatLevel.oldest())
        for i in range(parts)
    ]
    counts = {"distinct": len(owners), "reused": len(owners) - len(todo), "pending": [len(p) for p in pending]}
    return [counts, *pending]


@ray.remote
def look_up(spec: Spec, parts: int, *pieces: pa.Table) -> list[Any]:
    """[None, answers for part 0, 1, ...] of one shard; pieces as for `find_pending`.

    answers: pos, the memo's columns and `verdict` for each row of the part; all null where the memo holds nothing.
    """
    memo = resolve(spec, gather(pieces[parts:]), judge=True) if pieces[parts:] else None
    answers = []
    for piece in pieces[:parts]:
        rows = pl.DataFrame(piece)
        if memo is None:
            answers.append(rows.select("pos").to_arrow(compat_level=pl.CompatLevel.oldest()))
            continue
        joined = rows.join(memo, on=["hi", "lo"], how="left", maintain_order="left").drop("hi", "lo")
        answers.append(joined.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return [None, *answers]
