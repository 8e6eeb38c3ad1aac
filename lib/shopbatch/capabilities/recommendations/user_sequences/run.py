"""Run the job `build_user_sequences`: reads the daily tiles and publishes the table `user_sequences`.

A run pins the tiles, finds the users whose tiles changed since the published version, computes the rows of these users,
keeps all other rows, and publishes the whole table in one commit. All rows are computed if there is no published
version, or if the older tiles cannot be compared. Both ways give the same rows, except for `run_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from shopbatch.capabilities.recommendations.user_sequences import rows
from shopbatch.capabilities.recommendations.user_sequences.config import SequenceConfig
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables import TABLES
from shopbatch.tables.user_daily import USER_PRODUCT_DAILY, USER_PRODUCT_EVENT_DAILY
from shopbatch.tables.user_sequences import USER_SEQUENCES
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.gates import DEFECT, Gate, explain, refuse_if_failed, shrinking
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VERSION = 1  # of the rows; if it is raised, all rows are computed again
_USERS_PER_FILE = 25_000


@dataclass
class Builder:
    """One run of `build_user_sequences`: finds the users with changes, computes their rows and publishes the table.

    Attributes:
        spark: The Spark session.
        store: The warehouse.
        config: Settings of the job.
        report: The report to fill.
    """

    spark: SparkSession
    store: Store
    config: SequenceConfig
    report: Report

    def run(self) -> None:
        """Bring the table `user_sequences` up to date, or find that there is nothing to do.

        Raises:
            UserError: A tile table is missing, or a table cannot be read or written.
            GateRefused: A gate refuses the new table.
            Stopped: Another run published the table meanwhile.
        """
        report, store = self.report, self.store
        report.unit = "users"
        damaged, undone = put_in_order(store, USER_SEQUENCES, report.run_id)
        live = store.find(USER_SEQUENCES.name)
        tiles = self._tiles()
        origin = self._origin(tiles)
        if live is not None and live.metadata.get("origin") == origin:
            report.outcome = "published" if undone else "nothing to do"
            report.message = undone
            report.tables[USER_SEQUENCES.name] = {"read": live.version}
            report.highlights = {"users": f"{live.rows:,}"}
            return
        if not tiles[USER_PRODUCT_DAILY.name].rows:
            report.gates = [self._shrinking(0, 0, live)]
            refuse_if_failed(report.gates)
        try:
            self._publish(tiles, origin, live)
        finally:
            self.spark.catalog.clearCache()
        move_away(store, USER_SEQUENCES, damaged)
        report.message = "; ".join(filter(None, [undone, report.message]))

    def _tiles(self) -> dict[str, Snapshot]:
        """Return a pinned snapshot of each tile table that the warehouse has, by table name."""
        tiles = {USER_PRODUCT_DAILY.name: self.store.require(USER_PRODUCT_DAILY, USER_PRODUCT_DAILY.names)}
        if self.store.exists(USER_PRODUCT_EVENT_DAILY.name):
            tiles[USER_PRODUCT_EVENT_DAILY.name] = self.store.require(
                USER_PRODUCT_EVENT_DAILY, USER_PRODUCT_EVENT_DAILY.names
            )
        self.report.tables |= {name: {"read": snapshot.version} for name, snapshot in tiles.items()}
        return tiles

    def _origin(self, tiles: Mapping[str, Snapshot]) -> dict[str, Any]:
        """Return what the rows are computed from: version of the code, limits, and version of each tile table.

        It is stored with the table; an equal origin means that there is nothing to do.
        """
        made_from = {name: {"table_id": s.table_id, "version": s.version} for name, s in sorted(tiles.items())}
        return {"version": VERSION, "keep": self.config.keep.model_dump(), "tiles": made_from}

    def _publish(self, tiles: dict[str, Snapshot], origin: dict[str, Any], live: Snapshot | None) -> None:
        report, store, run_id = self.report, self.store, self.report.run_id
        with report.stage("sequences") as stage:
            users = self._changed(tiles, live)
            visited = tiles.get(USER_PRODUCT_EVENT_DAILY.name)
            every = rows.entries(
                self._read(tiles[USER_PRODUCT_DAILY.name]), None if visited is None else self._read(visited)
            )
            wanted = every if users is None else every.join(F.broadcast(users), "user_id", "left_semi")
            made = rows.sequences(wanted, self.config.keep, run_id)
            computed = None if users is None else users.count()
            if users is not None and live is not None:
                kept = self._read(live).join(F.broadcast(users), "user_id", "left_anti")
                made = kept.select(*USER_SEQUENCES.names).union(made)
            written = self._write(made)
            stage.rows = sum(f.rows for f in written)
        with Publication(store, run_id) as publication:
            publication.add(USER_SEQUENCES, written)
            with report.stage("gates"):
                read = every.count()
                whole = {USER_PRODUCT_DAILY.name: read, USER_PRODUCT_EVENT_DAILY.name: visited.rows if visited else 0}
                report.gates = publication.judge(USER_SEQUENCES, self.config.gates.rows, whole, live)
                report.gates += self._judge(written, read)
                refuse_if_failed(report.gates)
            crash_point("sequences_written")
            metadata = {"job": report.job, "run_id": run_id, "origin": origin}
            check = unless_changed(live.files if live else [])
            try:
                done = publication.commit(USER_SEQUENCES, metadata, check=check)
            except Superseded as error:
                raise Stopped(f"{error}; start this run again") from None
        report.outcome = "published"
        report.rows.computed = stage.rows if computed is None else computed
        report.rows.read = report.rows.published = stage.rows
        report.metrics["entries"] = read
        report.tables[USER_SEQUENCES.name] = {"written": done.version}
        report.highlights = {"users": f"{stage.rows:,}", "computed": f"{report.rows.computed:,}"}

    def _read(self, snapshot: Snapshot, only: Sequence[FileRef] | None = None) -> DataFrame:
        return spark_bridge.read(self.spark, snapshot, TABLES[snapshot.name].names, only)

    def _changed(self, tiles: dict[str, Snapshot], live: Snapshot | None) -> DataFrame | None:
        """Return the users (column user_id) whose tiles changed since the live table was built.

        None means that the rows of all users must be computed.

        Args:
            tiles: Pinned snapshots of the tile tables by name.
            live: Snapshot of the live `user_sequences`; None if there is none.
        """
        before = {} if live is None else live.metadata.get("origin", {})
        now = self._origin(tiles)
        known = before.get("tiles", {})
        if {**before, "tiles": None} != {**now, "tiles": None} or set(known) != set(tiles):
            return None
        parts = []
        for name, new in tiles.items():
            old = self.store.recall(name, known[name]["version"]) if known[name]["table_id"] == new.table_id else None
            if old is None:
                return None
            added = [f for f in new.files if f.path not in old.by_path]
            removed = [f for f in old.files if f.path not in new.by_path]
            if added or removed:
                parts.append(rows.changed_users(self._read(new, added), self._read(old, removed), TABLES[name]))
        users = self.spark.createDataFrame([], "user_id string")
        for part in parts:
            users = users.union(part)
        return users.distinct().cache()

    def _write(self, made: DataFrame) -> list[DataFile]:
        placed = made.sortWithinPartitions("user_id")
        return spark_bridge.write(
            placed, self.store, USER_SEQUENCES, f"{self.report.run_id}-{new_run_id()[-6:]}", None, _USERS_PER_FILE
        )

    def _shrinking(self, read: int, published: int, live: Snapshot | None) -> Gate:
        before = live.rows if live else 0
        return shrinking(self.config.gates.rows, USER_PRODUCT_DAILY.name, read, published, before)

    def _judge(self, written: list[DataFile], read: int) -> list[Gate]:
        """Return the gates on the new files: one row per user, and no history entry lost or added.

        Args:
            written: The files just written.
            read: Number of history entries in the tiles.
        """
        uris = [f"{self.store.uri(USER_SEQUENCES.name)}/{f.path}" for f in written]
        twice = files.duplicate_keys(uris, ["user_id"])
        schema, base = from_arrow_schema(USER_SEQUENCES.file_schema()), self.store.uri(USER_SEQUENCES.name)
        accounted = rows.total(spark_bridge.read_files(self.spark, schema, uris, base)) if uris else 0
        return [
            _defect("one row per user", twice, f"{twice:,} rows repeat the user of another row"),
            _defect(
                "every entry is accounted for",
                read - accounted,
                f"the tiles hold {read:,} entries, the sequences {accounted:,}",
            ),
        ]


def _defect(name: str, difference: int, what: str) -> Gate:
    """Return a gate that passes only if `difference` is 0; only a bug in the job can make it fail.

    Args:
        name: Name of the gate.
        difference: Number of rows or entries that are wrong.
        what: What is wrong, for the message of the gate.
    """
    passed = difference == 0
    return Gate(name, difference, 0, passed, explain(passed, what, "recommendations would rest on wrong facts", DEFECT))


def build_sequences(spark: SparkSession, config: SequenceConfig, store: Store, report: Report) -> None:
    """Bring `user_sequences` up to date and fill the report.

    Raises:
        UserError: A tile table is missing, or a table cannot be read or written.
        GateRefused: A gate refuses the new table.
        Stopped: Another run published the table meanwhile.
    """
    Builder(spark, store, config, report).run()
