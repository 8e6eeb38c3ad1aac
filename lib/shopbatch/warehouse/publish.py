"""Candidate files -> gates -> one commit: how a job makes its result visible, or leaves everything as it is.

Used by `inference/` and by the jobs that run on Spark. A task writes files where they will stay; they are a
candidate until `Publication.commit` shows them. A candidate that is not committed is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from shopbatch.core.errors import Stopped
from shopbatch.tables.schema import Table
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.foreign import refuse_foreign
from shopbatch.warehouse.gates import Gate, shrinking, shrunken_sources
from shopbatch.warehouse.store import Mode, Snapshot, Store


class Superseded(Exception):
    """What is live is ahead of what this run took into account, so its candidate does not replace it."""


class _SaysTheSame(Exception):
    """The live table already says what the candidate says."""


@dataclass(frozen=True)
class Published:
    """The table's version, and whether this run made it: if not, the live table already said the same."""

    version: int
    changed: bool


def rows_of(sources: Mapping[str, Snapshot | None]) -> dict[str, int]:
    """Return the rows of each table that was pinned; 0 for one that is not there."""
    return {name: 0 if snapshot is None else snapshot.rows for name, snapshot in sources.items()}


def unless_changed(files: Sequence[FileRef], scope: Mapping[str, str] | None = None) -> Callable[[Snapshot], None]:
    """A check for `Publication.commit`: nobody else published since this run looked.

    Args:
        files: The visible files when this run looked. Empty: nothing was published.
        scope: The partition that the run is about; None: the whole table.

    Returns:
        A function that raises Superseded if a newer snapshot shows other files.
    """
    paths = [file.path for file in files]

    def check(newest: Snapshot) -> None:
        if [file.path for file in newest.part(scope or {}).files] != paths:
            raise Superseded(f"another run published {newest.name} (version {newest.version}) meanwhile")

    return check


class Publication:
    """Candidates on their way to the readers. At the end of the block, those that were not committed are deleted.

    with Publication(store, run_id) as publication:
        publication.add(TABLE, written)
        refuse_if_failed([*publication.judge(TABLE, config.gates.rows, rows_of(sources), live), *gates])
        publication.commit(TABLE, metadata)
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self._candidates: dict[str, tuple[Table, list[DataFile]]] = {}
        self._read: dict[str, dict[str, int]] = {}

    def add(self, table: Table, written: Sequence[DataFile]) -> None:
        """Add files that this run wrote for a table and that nobody sees yet."""
        _, files = self._candidates.setdefault(table.name, (table, []))
        files += written

    def judge(
        self,
        table: Table,
        share: float | Literal["any"],
        read: Mapping[str, int],
        live: Snapshot | None,
        sized: bool = True,
    ) -> list[Gate]:
        """Judge what every published table is judged by: neither it nor what it is made of has shrunk too far.

        `commit` then remembers what was read, for the next run.

        Args:
            table: The table; its files were added.
            share: `gates.rows` of the job.
            read: Rows of each table that it is made of, the main one first; 0 for one that is not there.
            live: What it is compared with: mostly the version that it replaces; None before the first.
            sized: Whether its own number of rows says anything.

        Returns:
            The gates, for `refuse_if_failed`.
        """
        _, written = self._candidates.get(table.name, (table, []))
        self._read[table.name] = dict(read)
        main, before = next(iter(read)), live.metadata.get("read_rows", {}) if live is not None else {}
        rows, shown = sum(file.rows for file in written), live.rows if live is not None else 0
        sizes = [shrinking(share, main, read[main], rows, shown)] if sized else []
        return [*sizes, *shrunken_sources(share, read, before if sized else {main: 1, **before})]

    def commit(
        self,
        table: Table,
        metadata: Mapping[str, Any],
        mode: Mode = "replace",
        removed: Sequence[str] = (),
        check: Callable[[Snapshot], None] | None = None,
        same: Callable[[Snapshot], bool] | None = None,
    ) -> Published:
        """Show a table's candidate in one atomic commit (see `Store.commit` for mode, metadata and removed).

        Args:
            table: The table; its files are those that were added.
            metadata: What is stored with the commit.
            mode: How the files take their place among the visible ones.
            removed: Paths of visible files that a `rewrite` takes out.
            check: Called with the newest snapshot before each attempt. It raises Superseded if the candidate must not
                replace that one.
            same: Called after `check`. Whether the newest snapshot already says what the candidate says: then nothing
                is committed, and the candidate is deleted.

        Raises:
            Superseded: By `check`. The candidate is deleted.
            Stopped: Others changed the table in the middle of the run. The candidate is deleted.
        """
        _, files = self._candidates.pop(table.name, (table, []))
        if table.name in self._read:
            metadata = {**metadata, "read_rows": self._read[table.name]}

        def guard(newest: Snapshot) -> None:
            refuse_foreign(newest)
            if check is not None:
                check(newest)
            if same is not None and same(newest):
                raise _SaysTheSame

        # Any other error leaves the files where they are: they may be visible although the answer was lost.
        try:
            version = self.store.commit(table, files, mode, self.run_id, metadata, removed, guard)
        except _SaysTheSame:
            self.store.discard(table, files)
            return Published(self.store.snapshot(table.name).version, changed=False)
        except (Superseded, Stopped):
            self.store.discard(table, files)
            raise
        return Published(version, changed=True)

    def __enter__(self) -> Publication:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for table, files in self._candidates.values():
            self.store.discard(table, files)
        self._candidates.clear()
