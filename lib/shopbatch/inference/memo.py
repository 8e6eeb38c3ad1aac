"""The memo: a job's table of raw results by (recipe, content hash), from which the published table is derived.

It is a Delta table to which rows are only appended. The driver (`run.py`) uses it. If several rows have the same
content, `resolve.py` decides which row is used.
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
    """Read some memo files and split their rows by hash shard, in the order of the files.

    Returns:
        [number of rows, rows of shard 0, of shard 1, ...]. The hash columns are hi and lo (uint64); `recipe` is left
        out.
    """
    frame = gather([files.read(f.uri, schema, f.partition) for f in refs])
    return [
        len(frame),
        *split(frame.select(*unsigned_words(), pl.exclude("hash_hi", "hash_lo", "recipe")), "hi", shards),
    ]


@dataclass
class Memo:
    """The rows of the memo that belong to one recipe, as one run sees and extends them.

    Attributes:
        store: The warehouse.
        spec: The inference job, which names the recipe.
        run_id: The run.
        shards: Number of hash shards.
        pieces: pieces[batch of files][shard]: references to the loaded rows, oldest commit first.
        loaded: Paths of the files that are loaded.
        commits: Number of commits that this run has made.
        commit_seconds: Seconds that these commits took.
    """

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
        """Path or URI of the memo's folder."""
        return self.store.uri(self.spec.memo.name)

    @property
    def folder(self) -> str:
        """The folder of this run's files, relative to `root`."""
        return f"recipe={self.spec.recipe}/{self.run_id}"

    def _lease(self, run: str) -> str:
        return f"{self.store.root}/_runs/{self.spec.job}/{run}/inflight"

    def visible(self) -> list[FileRef]:
        """Return the memo's committed files of this recipe, in its newest version."""
        snapshot = self.store.find(self.spec.memo.name)
        return [f for f in snapshot.files if f.partition["recipe"] == self.spec.recipe] if snapshot else []

    def is_behind(self) -> bool:
        """Return True if files were committed since the last `load`."""
        return any(f.path not in self.loaded for f in self.visible())

    def load(self) -> None:
        """Read the files committed since the last call, and append their rows to `pieces` in commit order."""
        new = [f for f in self.visible() if f.path not in self.loaded]
        self.pieces += self._split(new)
        self.loaded |= {f.path for f in new}

    def _split(self, refs: Sequence[FileRef]) -> list[ObjectRefs]:
        schema, size = self.spec.memo.schema(), min(FILES_PER_TASK, max(8, -(-len(refs) // 4)))  # files per task
        batches = [refs[start : start + size] for start in range(0, len(refs), size)]
        return [scatter(split_memo, self.shards, batch, schema, self.shards).pieces for batch in batches]

    def shard(self, number: int) -> ObjectRefs:
        """Return references to the loaded pieces of one hash shard, oldest commit first."""
        return [piece[number] for piece in self.pieces]

    def commit(self, written: Sequence[DataFile]) -> None:
        """Make written files visible in one commit; files that another run has adopted already are left out."""
        if written:
            began = time.monotonic()
            key = f"{self.run_id}/{self.commits}"
            self.store.commit(self.spec.memo, written, "append", key, {"run_id": self.run_id}, guard=refuse_foreign)
            self.commits += 1
            self.commit_seconds += time.monotonic() - began

    def hold_lease(self) -> None:
        """Write or renew this run's lease: a file that tells other runs that this run may have uncommitted files."""
        files.write_bytes(self._lease(self.run_id), json.dumps({"recipe": self.spec.recipe}).encode())

    def end_lease(self) -> None:
        """Delete this run's lease, because all its files are committed."""
        files.remove(self._lease(self.run_id))

    def adopt(self) -> int:
        """Commit the files of this recipe that killed runs wrote but did not commit.

        Files of a run that is still alive may be adopted too; that run's own commit then leaves them out. A lease that
        was not renewed for LEASE_SECONDS is deleted.

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
        """Commit the files that workers of this run have written but for which the driver got no receipt."""
        self.commit(self._whole_files(self.run_id))

    def _leases(self) -> dict[str, float]:
        """Return the runs that hold a lease for this recipe, {run id: seconds since the lease was renewed}."""
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
        """Return the recipe that is named in the lease of a run; None if the run has no lease.

        A damaged lease is set aside, and this memo's recipe is returned, so that the run's files of this recipe are
        adopted.
        """
        try:
            lease: _Lease | None = state_files.load(self._lease(run), _Lease)
        except DamagedFile as damage:
            state_files.set_aside(damage, "whole memo files of its run are adopted, the rest is computed again")
            return self.spec.recipe
        return lease["recipe"] if lease is not None else None

    def _whole_files(self, run: str) -> list[DataFile]:
        """Return the files that a run has written for this recipe, without those that are incomplete or damaged."""
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
        """Merge the memo's small files into one file per hash shard, if there are at least COMPACT_FILES small files.

        Files of runs that hold a lease are left alone, because another run may still adopt files of these runs.
        """
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
    """Write the rows of one hash shard as one memo file: one row per content, sorted by hash.

    Returns:
        The written file; None if the shard has no rows.
    """
    memo = resolve(spec, gather(pieces), judge=False).drop("verdict").sort("hi", "lo")
    if memo.is_empty():
        return None
    path = f"{folder}/compact-{shard:03d}.parquet"
    files.write(f"{root}/{path}", memo_table(spec, to_arrow(memo)))
    return files.describe(root, path, spec.memo.file_schema(), {"recipe": spec.recipe})
