"""Publish tables that hold one row per user and day, one day (partition) and one commit at a time.

`segment_users` and `score_users` use it. It works out which days a run has to make, and judges and publishes each of
them. The metadata of a day name what the day was computed from (its `origin`), so that a run skips a day whose sources
and settings have not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from shopbatch.core.crash_points import crash_point
from shopbatch.core.days import LATEST, parse_days
from shopbatch.core.errors import Stopped, UserError
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files, spark_bridge
from shopbatch.warehouse.damage import damaged_files, move_away, publish_anew
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.foreign import put_right
from shopbatch.warehouse.gates import DEFECT, Gate, explain, refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.store import Snapshot, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_PER_FILE = 1_000_000
Judge = Callable[[Sequence[str]], list[Gate]]  # from the URIs of a candidate's files to the job's gates


def partition(day: date) -> dict[str, str]:
    """Return the partition of a day, as the warehouse names it (`{"as_of": "2017-07-01"}`)."""
    return {"as_of": day.isoformat()}


def days_of(snapshot: Snapshot | None) -> list[date]:
    """Return the days that a table holds, in ascending order; [] if the table does not exist (`snapshot` is None)."""
    return sorted({date.fromisoformat(str(f.partition["as_of"])) for f in snapshot.files}) if snapshot else []


@dataclass
class Daily:
    """One table with a partition per day, as one run reads and publishes it.

    Attributes:
        store: The warehouse.
        table: The table, partitioned by `as_of`.
        report: The report of the run; the methods fill it.
        rows: The setting `gates.rows`: the fewest rows that a day may have, as a share of its former version's rows.
        undone: One sentence for each foreign change of the table that was undone and each damaged file that was found.
        damaged: The damaged files; `finish` moves them away.
    """

    store: Store
    table: Table
    report: Report
    rows: float | Literal["any"]
    undone: list[str] = field(default_factory=list)
    damaged: list[FileRef] = field(default_factory=list)

    def put_in_order(self) -> None:
        """Undo changes that other programs made to the table, and look for damaged files.

        Call it before any other method. A day with a damaged file loses its `origin`, so that the run makes that day
        again.

        Raises:
            UserError: The table may not be written, or a change cannot be undone.
            Stopped: Another run changed the table meanwhile.
        """
        self.undone = [said for said in [put_right(self.store, self.table)] if said]
        self.store.check_targets([self.table], "replace")
        snapshot = self.store.find(self.table.name)
        bad = damaged_files(snapshot.files) if snapshot else []
        for day in sorted({str(f.partition["as_of"]) for f in bad}):
            damaged, said = publish_anew(self.store, self.table, self.report.run_id, ("origin",), {"as_of": day})
            self.damaged += damaged
            self.undone.append(said)

    def asked(self, as_of: date | str, source: Snapshot) -> list[date]:
        """Return the days that the run has to look at, in order: the wanted days and those with damaged files.

        Args:
            as_of: The setting: a day, a range of days, or `latest` for the newest day of `source`.
            source: The table that days are computed from (`user_profiles`); days that it does not hold are left out.

        Raises:
            UserError: `source` holds none of the wanted days.
        """
        there = days_of(source)
        if not there:
            raise UserError(f"{source.name} holds no day; run build_user_profiles")
        wanted = there[-1:] if as_of == LATEST else [day for day in parse_days(as_of) if day in set(there)]
        if not wanted:
            raise UserError(
                f"as_of={as_of}: {source.name} holds no such day (it holds {there[0]} to {there[-1]}); run "
                f"build_user_profiles as_of={as_of} first"
            )
        again = {date.fromisoformat(str(f.partition["as_of"])) for f in self.damaged} & set(there)
        return sorted({*wanted, *again})

    def find(self, day: date) -> Snapshot | None:
        """Return the published rows of a day, as a snapshot of its partition; None if it has not been published."""
        snapshot = self.store.find(self.table.name)
        part = snapshot.part(partition(day)) if snapshot else None
        return part if part is not None and part.files else None

    def before(self, day: date) -> Snapshot | None:
        """Return the published rows of the newest day before `day`, as a snapshot; None if there is none."""
        snapshot = self.store.find(self.table.name)
        earlier = [d for d in days_of(snapshot) if d < day]
        return snapshot.part(partition(earlier[-1])) if snapshot and earlier else None

    def publish(self, day: date, frame: DataFrame, about: dict[str, Any], judge: Judge) -> None:
        """Write the rows of a day, check them by gates, and commit them in place of the live rows of that day.

        Args:
            day: The day.
            frame: The rows: the table's columns without `as_of`.
            about: Metadata of the day: its `origin`, and whatever the next day needs (`segment_users`: edges and
                clusters).
            judge: The gates of the job: a function from the URIs of the written files to gates.

        Raises:
            GateRefused: A gate did not pass; the live rows stay.
            Stopped: Another run published the same day meanwhile.
        """
        report, live, earlier = self.report, self.find(day), self.before(day)
        with report.stage("write") as stage:
            folder = f"{report.run_id}-{new_run_id()[-6:]}"
            written = spark_bridge.write(frame, self.store, self.table, folder, partition(day), ROWS_PER_FILE)
            stage.rows = sum(f.rows for f in written)
        with Publication(self.store, report.run_id) as publication:
            publication.add(self.table, written)
            with report.stage("gates"):
                uris = [f"{self.store.uri(self.table.name)}/{f.path}" for f in written]
                rows = sum(f.rows for f in written)
                sizes = publication.judge(self.table, self.rows, {"user_profiles": rows}, live or earlier)
                report.gates = [*sizes, self._once(uris), *judge(uris)]
                refuse_if_failed(report.gates, str(day))
            crash_point("day_of_users_written")
            metadata = {"job": report.job, "run_id": report.run_id, "scope": partition(day), **about}
            check = unless_changed(live.files if live else [], partition(day))
            try:
                done = publication.commit(self.table, metadata, check=check)
            except Superseded as error:
                raise Stopped(f"{error}; start this run again") from None
        report.tables[self.table.name] = {"written": done.version}
        report.rows.published = (report.rows.published or 0) + sum(f.rows for f in written)

    @staticmethod
    def _once(uris: Sequence[str]) -> Gate:
        twice = files.duplicate_keys(uris, ["user_id"])
        what = f"{twice:,} rows repeat the user of another row"
        why = "whoever joins the table would count users twice"
        return Gate("one row per user", twice, 0, twice == 0, explain(twice == 0, what, why, DEFECT))

    def finish(self, asked: int, published: int) -> None:
        """Move damaged files away and write the outcome into the report, once every day is published.

        Args:
            asked: How many days the run had to look at.
            published: How many of them it made anew; the others were up to date.
        """
        move_away(self.store, self.table, self.damaged)
        report = self.report
        report.outcome = "published" if published or self.undone else "nothing to do"
        report.message = "; ".join(filter(None, [*self.undone, report.message]))
        report.metrics["days"] = {"asked": asked, "published": published}
        report.highlights["days published"] = f"{published} of {asked}"
        if self.table.name not in report.tables and (snapshot := self.store.find(self.table.name)):
            report.tables[self.table.name] = {"read": snapshot.version}
