"""Write the files of new tiles, and commit all tile tables of a source in an order that survives a killed run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shopbatch.capabilities.profiles.tiling import Tiling
from shopbatch.core.crash_points import crash_point
from shopbatch.runs.report import new_run_id
from shopbatch.tables.schema import Table
from shopbatch.warehouse import spark_bridge
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.foreign import refuse_foreign
from shopbatch.warehouse.store import Mode, Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Conflict(Exception):
    """Raised when another run changed the tiles while this one was computing; `Tiler.update` then tries again."""


@dataclass(frozen=True)
class Written:
    """New, still invisible files of one tile table, and the visible files that they replace.

    Attributes:
        table: The tile table.
        added: The new files.
        removed: Paths of the visible files to take out; None for all of them.
    """

    table: Table
    added: Sequence[DataFile]
    removed: Sequence[str] | None


@dataclass(frozen=True)
class TileFiles:
    """Writes and commits the tile tables of one tiling for one run.

    Attributes:
        store: The warehouse.
        tiling: The source and its tile tables.
        recipe: Version of the tiling and time zone. Tiles made under another recipe must be rebuilt.
        run_id: The run; key of the commits and prefix of the folders of new files.
    """

    store: Store
    tiling: Tiling
    recipe: dict[str, Any]
    run_id: str

    @property
    def tables(self) -> list[Table]:
        """All tables of the tiling: the main tile table first, the rejects last."""
        return self.tiling.tables

    def write(self, frame: DataFrame, table: Table) -> list[DataFile]:
        """Write rows of a tile table and return the files; they stay invisible until `commit` adds them."""
        return spark_bridge.write(frame, self.store, table, f"{self.run_id}-{new_run_id()[-6:]}")

    def write_rejects(self, rejects: DataFrame) -> list[DataFile]:
        """Write rejected facts (with `reason` and `rows`) as one file, invisible until `commit` adds it."""
        return self.write(self.tiling.to_rejects(rejects).coalesce(1), self.tiling.rejects)

    def mismatch(self, source: Snapshot, live: dict[str, Snapshot]) -> str:
        """Return why the live tiles must be rebuilt, or "" if they match each other, the recipe and the source.

        Args:
            source: The source to bring the tiles to; compared by its table id, not by its version.
            live: Snapshots of the tile tables by name.
        """
        main = live.get(self.tables[0].name)
        if main is None or len(live) < len(self.tables):
            return "there are no tiles yet"
        state = main.metadata
        if state.get("recipe") != self.recipe:
            return "they were made by another version or in another time zone"
        if state.get("with") != {t.name: live[t.name].version for t in self.tables[1:]}:
            return "a run was killed between two commits"
        return "" if state["source"]["table_id"] == source.table_id else "the source is another table"

    def commit(self, written: Sequence[Written], source: Snapshot, live: dict[str, Snapshot]) -> int:
        """Make all written files visible, one commit per table, and return the number of tiles written.

        The main table is committed last, because its commit records which versions of the tables belong together.
        Rejects are not counted as tiles.

        Args:
            written: The new files of each table; tables that do not change may be left out.
            source: The source version that the tiles then represent.
            live: Snapshots of the tile tables that the update was computed from, by name.

        Raises:
            Conflict: Another run committed since `live` was read. Written files that are not yet visible have been
                deleted.
            Stopped: Another program changed a table.
        """
        crash_point("tiles_written")
        main, tiles_written = self.tables[0], 0
        versions = {t.name: live[t.name].version if t.name in live else -1 for t in self.tables}
        pending = {w.table.name: w for w in written}
        for table in [*self.tables[1:], main]:
            if table.name not in pending and table is not main:
                continue
            part = pending.get(table.name) or Written(table, [], [])
            metadata: dict[str, Any] = {"job": "build_user_profiles", "source": _version(source)}
            if table is main:
                metadata |= {"recipe": self.recipe, "with": {t.name: versions[t.name] for t in self.tables[1:]}}
            try:
                versions[table.name] = self._commit_table(part, metadata, versions[table.name])
            except Conflict:
                for other in pending.values():
                    self.store.discard(other.table, other.added)
                raise
            pending.pop(table.name, None)
            tiles_written += sum(f.rows for f in part.added) if table is not self.tiling.rejects else 0
            crash_point(f"tiles_commit_{table.name}")
        return tiles_written

    def _commit_table(self, part: Written, metadata: dict[str, Any], before: int) -> int:
        """Commit one table and return its new version.

        Args:
            part: The files to add and to take out.
            metadata: Metadata of the commit.
            before: Version that the table must still have; -1 if it did not exist.

        Raises:
            Conflict: The table has another version.
            Stopped: Another program changed the table.
        """

        def guard(now: Snapshot) -> None:
            refuse_foreign(now)
            if now.version != before and not (before < 0 and not now.files):
                raise Conflict

        mode: Mode = "replace" if part.removed is None else "rewrite"
        return self.store.commit(part.table, part.added, mode, self.run_id, metadata, part.removed or (), guard)


def _version(source: Snapshot) -> dict[str, Any]:
    return {"table": source.name, "table_id": source.table_id, "version": source.version}
