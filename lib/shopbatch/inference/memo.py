"""The memo: raw results by (recipe, content hash), an append-only Delta table that the published one is derived from.

Called by the driver (`run.py`). Which of several rows for one content counts is said in `resolve.py`.
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
from typing_extensions import TypedDict

from shopbatch.inference.refs import ObjectRefs, fetch, scatter, start
from shopbatch.inference.resolve import memo_table, resolve, unsigned_words
from shopbatch.inference.shards import gather, split, to_arrow
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files, state_files
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.foreign import refuse_foreign
from shopbatch.warehouse.store import Store

LEASE_SECONDS = 600.0
FILES_PER_TASK = 128
COMPACT_FILES = 1_000


class _Lease(TypedDict):
    recipe: str


def split_memo(refs: Sequence[FileRef], schema: pa.Schema, shards: int) -> list[Any]:
    """Read some memo files as [number of rows, rows of shard 0, 1, ...], in the files' order; hi and lo are uint64."""
    frame = gather([files.read(f.uri, schema, f.partition) for f in refs])
    return [
        len(frame),
        *split(frame.select(*unsigned_words(), pl.exclude("hash_hi", "hash_lo", "recipe")), "hi", shards),
    ]


@dataclass
class Memo:
    """One recipe's part of the memo, as this run sees it."""

    store: Store
    spec: Spec
    run_id: str
    shards: int
    pieces: list[ObjectRefs] = field(default_factory=list)  # pieces[batch of files][shard]
    loaded: set[str] = field(default_factory=set)
    commits: int = 0
    commit_seconds: float = 0.0

    @property
    def root(self) -> str:
        """The memo's folder."""
        return self.store.uri(self.spec.memo.name)

    @property
    def folder(self) -> str:
        """The folder of this run's files, relative to the memo's root."""
        return f"recipe={self.spec.recipe}/{self.run_id}"

    def _lease(self, run: str) -> str:
        return f"{self.store.root}/_runs/{self.spec.job}/{run}/inflight"

    def visible(self) -> list[FileRef]:
        """List the files of this recipe in the newest version."""
        snapshot = self.store.find(self.spec.memo.name)
        return [f for f in snapshot.files if f.partition["recipe"] == self.spec.recipe] if snapshot else []

    def is_behind(self) -> bool:
        """Whether something was committed since it was loaded last."""
        return any(f.path not in self.loaded for f in self.visible())

    def load(self) -> None:
        """Read what was committed since the last call; the pieces stay in the order of the commits."""
        new = [f for f in self.visible() if f.path not in self.loaded]
        self.pieces += self._split(new)
        self.loaded |= {f.path for f in new}

    def _split(self, refs: Sequence[FileRef]) -> list[ObjectRefs]:
        schema, size = self.spec.memo.schema(), min(FILES_PER_TASK, max(8, -(-len(refs) // 4)))  # a few files at once
        batches = [refs[start : start + size] for start in range(0, len(refs), size)]
        return [scatter(split_memo, self.shards, batch, schema, self.shards).pieces for batch in batches]

    def shard(self, number: int) -> ObjectRefs:
        """Return references to the pieces of one shard, oldest commit first."""
        return [piece[number] for piece in self.pieces]

    def commit(self, written: Sequence[DataFile]) -> None:
        """Make a batch of files visible, except those that another run has adopted already."""
        if written:
            began = time.monotonic()
            key = f"{self.run_id}/{self.commits}"
            self.store.commit(self.spec.memo, written, "append", key, {"run_id": self.run_id}, guard=refuse_foreign)
            self.commits += 1
            self.commit_seconds += time.monotonic() - began

    def hold_lease(self) -> None:
        """Record that uncommitted files of this run may lie in the memo's folder. Every call renews the lease."""
        files.write_bytes(self._lease(self.run_id), json.dumps({"recipe": self.spec.recipe}).encode())

    def end_lease(self) -> None:
        """Record that everything this run wrote is committed."""
        files.remove(self._lease(self.run_id))

    def adopt(self) -> int:
        """Commit what killed runs of this recipe had written but not committed.

        Files of a run that is still alive may be adopted too: its own commit then leaves them out.

        Returns:
            The number of files.
        """
        adopted = 0
        for run, age in self._leases().items():
            if run != self.run_id:
                orphans = self._whole_files(run)
                self.commit(orphans)
                adopted += len(orphans)
                if age > LEASE_SECONDS:
                    files.remove(self._lease(run))
        return adopted

    def adopt_own(self) -> None:
        """Commit what workers of this run have written and not reported."""
        self.commit(self._whole_files(self.run_id))

    def _leases(self) -> dict[str, float]:
        """The runs that may have uncommitted files of this recipe, and the age of their lease in seconds."""
        fs, runs = files.filesystem(f"{self.store.root}/_runs/{self.spec.job}")
        ages = {}
        for folder in files.entries(fs, runs):
            info = fs.get_file_info(f"{folder.path}/inflight")
            if info.type != pafs.FileType.File or info.mtime is None:
                continue
            if self._read_lease(folder.base_name) == self.spec.recipe:
                ages[folder.base_name] = time.time() - info.mtime.timestamp()
        return ages

    def _read_lease(self, run: str) -> str | None:
        """The recipe that a lease names. A damaged one names none: what its run wrote of this recipe is adopted."""
        try:
            lease: _Lease | None = state_files.load(self._lease(run), _Lease)
        except DamagedFile as damage:
            state_files.set_aside(damage, "whole memo files of its run are adopted, the rest is computed again")
            return self.spec.recipe
        return lease["recipe"] if lease is not None else None

    def _whole_files(self, run: str) -> list[DataFile]:
        """The files that a run has written for this recipe. One that is incomplete or damaged is ignored."""
        fs, folder = files.filesystem(f"{self.root}/recipe={self.spec.recipe}/{run}")
        schema, partition = self.spec.memo.file_schema(), {"recipe": self.spec.recipe}
        whole = []
        for file in files.entries(fs, folder):
            if file.base_name.endswith(".parquet") and not file.base_name.startswith("."):
                path = f"recipe={self.spec.recipe}/{run}/{file.base_name}"
                with suppress(pa.ArrowInvalid, OSError, DamagedFile):
                    files.check(f"{self.root}/{path}")
                    whole.append(files.describe(self.root, path, schema, partition))
        return whole

    def compact(self) -> None:
        """Merge many small files into one per shard, of runs that have ended only: others may be adopted again."""
        open_runs = self._leases()
        small = [f for f in self.visible() if f.path.split("/")[1] not in open_runs and f.rows < 262_144]
        if len(small) < COMPACT_FILES:
            return
        pieces = self._split(small)
        written = [
            start(write_compacted, self.spec, self.root, f"{self.folder}c", s, *(p[s] for p in pieces))
            for s in range(self.shards)
        ]
        merged = [f for f in fetch(written) if f is not None]
        key = f"{self.run_id}/compact"
        self.store.commit(self.spec.memo, merged, "compact", key, removed=[f.path for f in small], guard=refuse_foreign)


def write_compacted(spec: Spec, root: str, folder: str, shard: int, *pieces: pa.Table) -> DataFile | None:
    """Write one shard's rows, resolved and sorted by hash, as one memo file; None if it has no rows."""
    memo = resolve(spec, gather(pieces), judge=False).drop("verdict").sort("hi", "lo")
    if memo.is_empty():
        return None
    path = f"{folder}/compact-{shard:03d}.parquet"
    files.write(f"{root}/{path}", memo_table(spec, to_arrow(memo)))
    return files.describe(root, path, spec.memo.file_schema(), {"recipe": spec.recipe})
