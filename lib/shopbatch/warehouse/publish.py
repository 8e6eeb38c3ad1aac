"""Publishes a job's result: candidate files are judged by gates, and one commit makes them visible.

`inference/` and the jobs that run on Spark use it. A task writes files to the place where they stay. They are a
candidate until `Publication.commit` makes them visible; a candidate that is not committed is deleted.
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
    """Raised if another run has published a version of the table that this run must not replace.

    The run did not take that version into account, for example because it is of a newer source.
    """


class _SaysTheSame(Exception):
    """Raised to end a commit early, because the live table holds the same rows as the candidate."""


@dataclass(frozen=True)
class Published:
    """The outcome of `Publication.commit`.

    Attributes:
        version: The table's version.
        changed: Whether this run made that version; False if the live table held the same rows already.
    """

    version: int
    changed: bool


def rows_of(sources: Mapping[str, Snapshot | None]) -> dict[str, int]:
    """Return the number of rows of each pinned source table, {name: rows}; 0 for a table that does not exist (None)."""
    return {name: 0 if snapshot is None else snapshot.rows for name, snapshot in sources.items()}


def unless_changed(files: Sequence[FileRef], scope: Mapping[str, str] | None = None) -> Callable[[Snapshot], None]:
    """Return a check for `Publication.commit` that refuses to publish if another run has published meanwhile.

    Args:
        files: The visible files when this run looked; empty if nothing was published.
        scope: The partition that the run writes, {column: value}; None: the whole table.

    Returns:
        A function that raises Superseded if a newer snapshot has other files.
    """
    paths = [file.path for file in files]

    def check(newest: Snapshot) -> None:
        if [file.path for file in newest.part(scope or {}).files] != paths:
            raise Superseded(f"another run published {newest.name} (version {newest.version}) meanwhile")

    return check


class Publication:
    """A context manager that publishes candidates: add files, judge them, commit them.

    Candidates that were not committed are deleted at the end of the block.

    Example:
        with Publication(store, run_id) as publication:
            publication.add(TABLE, written)
            refuse_if_failed([*publication.judge(TABLE, config.gates.rows, rows_of(sources), live), *gates])
            publication.commit(TABLE, metadata)
    """

    def __init__(self, store: Store, run_id: str) -> None:
        """Begin without candidates.

        Args:
            store: The warehouse.
            run_id: The run, which names the commits.
        """
        self.store, self.run_id = store, run_id
        self._candidates: dict[str, tuple[Table, list[DataFile]]] = {}
        self._read: dict[str, dict[str, int]] = {}

    def add(self, table: Table, written: Sequence[DataFile]) -> None:
        """Add files that this run wrote for a table to the table's candidate."""
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
        """Return the gates that every published table has: neither the table nor a source may have shrunk too far.

        `commit` then stores the sources' numbers of rows, with which the next run compares its own.

        Args:
            table: The table; its files were added.
            share: `gates.rows` of the job: the least share of the former rows; `any` lets every number pass.
            read: Number of rows of each source table, the main one first; 0 for one that does not exist.
            live: The version to compare with, mostly the one that is replaced; None before the first run.
            sized: Whether the table's own number of rows is judged. False if a smaller number is no sign of a fault.

        Returns:
            The gates, to be passed to `refuse_if_failed`.
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
        """Make a table's candidate visible in one atomic commit.

        Args:
            table: The table; its candidate are the files that were added.
            metadata: The metadata to store with the commit, see `Store.commit`.
            mode: How the files take their place among the visible ones, see `Store.commit`.
            removed: Paths of visible files that a `rewrite` removes.
            check: Called with the newest snapshot before each attempt. It raises Superseded if the candidate must not
                replace that snapshot.
            same: Called with the newest snapshot after `check`. If it returns True, the snapshot holds the same rows:
                nothing is committed, and the candidate is deleted.

        Returns:
            The table's version, and whether this run made it.

        Raises:
            Superseded: Raised by `check`. The candidate is deleted.
            Stopped: Other clients changed the table in the middle of the run. The candidate is deleted.
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
