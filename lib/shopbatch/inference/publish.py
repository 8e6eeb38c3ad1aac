"""Publishes the results of an inference run: writes the candidate, judges it by gates, commits rejects and table.

`run.py` calls it. Other runs may publish the same table at any time; a run on an older version of the source never
replaces the result of a newer version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import GateRefused
from shopbatch.inference.audit import audit
from shopbatch.inference.candidate import Candidate
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.derive import build_candidate
from shopbatch.inference.memo import Memo
from shopbatch.inference.same_rows import same_rows
from shopbatch.inference.source import Index
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.tables.schema import Table
from shopbatch.warehouse.candidates import keep_candidate
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded
from shopbatch.warehouse.store import Snapshot, Store, check_target

# Called with the candidate once the gates have passed it. The mapping that it returns is stored with the table's
# commit, so that what it made (such as an index of the rows) becomes visible in that commit. If another mapping is
# stored with the live table, the table is committed again, even with equal rows.
BeforeCommit = Callable[[Candidate], Mapping[str, Any]]


def find_live(spec: Spec, store: Store) -> Snapshot | None:
    """Return the published rows that the job would replace: the whole table or the partition `Spec.scope`.

    Returns:
        None if nothing was published there yet.

    Raises:
        UserError: The table in the warehouse cannot be replaced, see `store.check_target`.
    """
    live = store.find(spec.sink.name)
    if live is None:
        return None
    check_target(spec.sink, live, "replace")
    live = live.part(spec.scope)
    return live if live.metadata or live.files else None


@dataclass
class Publisher:
    """Publishes the results of one run.

    Attributes:
        spec: The inference job.
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        source: The snapshot of the source table that the run read.
        live: The published version when the run began; None before the first run.
        complete: Whether no result is pending.
        before_commit: Called with the accepted candidate, to make something that must become visible in the same commit
            as the table (see `BeforeCommit`); None: nothing is called.
    """

    spec: Spec
    config: InferenceConfig
    store: Store
    report: Report
    source: Snapshot
    live: Snapshot | None
    complete: bool
    before_commit: BeforeCommit | None = None

    def origin(self) -> dict[str, Any]:
        """Return the inputs of the published version (source version, recipe, checks, gates), for its commit.

        If the live table has the same origin, there is nothing to do.
        """
        source = self.source
        return {
            "job": self.spec.job,
            "recipe": self.spec.recipe,
            "checks": self.spec.stage.checks,
            "source": {"table": source.name, "table_id": source.table_id, "version": source.version},
            "gates": self.config.gates.model_dump() | self.spec.stage.limits(),
            "complete": self.complete,
            **({"scope": dict(self.spec.scope)} if self.spec.scope else {}),
            **({"step": self.spec.step} if self.spec.step else {}),
        }

    def is_live(self, index: Index) -> bool:
        """Return True if the live table was made from this source, recipe, checks and gates: nothing is to be done.

        In this case the counts and the outcome `nothing to do` are entered in the report.
        """
        live, rejects = self.live, self.store.find(self.spec.rejects.name)
        if live is None or not self.complete or rejects is None:
            return False
        rejects = rejects.part(self.spec.scope)
        if any(live.metadata.get(k) != v for k, v in self.origin().items()):
            return False
        if live.metadata.get("unscored", index.reasons) != index.reasons:
            return False  # a setting of the stage, such as max_bytes, now refuses other rows
        reasons, recipe = dict(live.metadata["reasons"]), rejects.metadata.get("recipe")
        # the rejects may be of another recipe if its run was killed between the two commits
        if rejects.rows != sum(reasons.values()) or (rejects.rows and recipe != self.spec.recipe):
            return False
        count(self.report, published=live.rows, rejected=sum(reasons.values()), pending=0, kept=0)
        self.report.rejects, self.report.outcome = reasons, "nothing to do"
        self.report.metrics["mix"] = live.metadata["mix"]
        self.report.tables[self.spec.sink.name] = {"read": live.version}
        return True

    def publish(self, index: Index, memo: Memo) -> None:
        """Write the candidate, judge it by the gates, and make it visible.

        If the recipe differs from that of the live table, and some results are still pending, the live table is not
        replaced, and the outcome in the report is `incomplete`.

        Args:
            index: The content hash of each source row, or the reason why the row cannot be scored.
            memo: The results by content hash.

        Raises:
            GateRefused: A gate refused the candidate; the live table is unchanged.
        """
        spec, live, report = self.spec, self.live, self.report
        with report.stage("publish") as stage:
            keep = None if self.complete else live
            candidate = build_candidate(spec, self.store, self.source, index, memo, keep)
            stage.rows = self.source.rows
        with Publication(self.store, report.run_id) as publication:
            publication.add(spec.sink, candidate.files)
            publication.add(spec.rejects, candidate.rejects)
            count(report, **{n: candidate.total(n) for n in ("published", "rejected", "pending", "kept")})
            report.rejects, report.metrics["mix"] = candidate.reasons, candidate.mix
            new_recipe = live is not None and bool(live.files) and live.metadata.get("recipe") != spec.recipe
            if new_recipe and not self.complete:
                report.outcome = "incomplete"
                report.message = "not every row is computed under the new recipe yet: the live table stays as it is"
                return
            with report.stage("audit"):
                report.gates = audit(spec, self.config, self.source, candidate, live, self.report.run_id)
            self._refuse_if_failed(candidate)
            with report.stage("commit"):
                self._commit(publication, candidate, index.reasons)
        memo.compact()

    def _refuse_if_failed(self, candidate: Candidate) -> None:
        """Raise GateRefused if a gate failed, after keeping a copy of the candidate's rejects for `shopbatch show`."""
        try:
            refuse_if_failed(self.report.gates)
        except GateRefused:
            keep_candidate(self.store, self.spec.job, self.report.run_id, self.spec.rejects, candidate.rejects)
            raise

    def _commit(self, publication: Publication, candidate: Candidate, unscored: Mapping[str, int]) -> None:
        """Commit the rejects, then the table, so that a reader of the table always finds its rejects.

        Args:
            publication: Commits the files of the candidate.
            candidate: The candidate, which all gates have accepted.
            unscored: Number of source rows that cannot be scored, by reason.
        """
        beside = dict(self.before_commit(candidate)) if self.before_commit is not None else {}
        metadata = self.origin() | {
            "digest": candidate.digest(),
            "rejects_digest": candidate.digest("rejects_digest"),
            "mix": candidate.mix,
            "mix_of": list(self.spec.stage.drift_columns or ()),
            "reasons": candidate.reasons,
            "read_rows": dict(self.spec.beside),
            "unscored": dict(unscored),
        }
        report, shown = self.report, metadata | beside
        try:
            self.replace(publication, self.spec.rejects, metadata, "rejects_digest", candidate.rejects)
            crash_point("between_commits")
            # If the table's commit is superseded, the rejects stay visible: the run that was faster may rely on them.
            changed = self.replace(publication, self.spec.sink, shown, "digest", candidate.files, tuple(beside))
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return
        report.outcome = "published" if changed else "nothing to do"

    def replace(
        self,
        publication: Publication,
        table: Table,
        metadata: dict[str, Any],
        digest: str,
        written: Sequence[DataFile],
        beside: tuple[str, ...] = (),
    ) -> bool:
        """Replace the rows of a table, unless its newest version has the same rows.

        Args:
            publication: Commits the files, which were added to it before.
            table: The declaration of the published table or of its rejects.
            metadata: The metadata to store with the commit.
            digest: Name of the entry in `metadata` that holds the digest of the table's rows.
            written: The candidate's files of this table.
            beside: Names of further entries of `metadata`. If one of them differs from that of the newest version, the
                table is replaced even if its rows are the same.

        Returns:
            Whether the table was replaced.

        Raises:
            Superseded: Another run has published a version that this run must not replace.
        """

        def same(newest: Snapshot) -> bool:
            newest = newest.part(self.spec.scope)
            equal = all(newest.metadata.get(name) == metadata[name] for name in (digest, *beside))
            if not equal or newest.rows != sum(file.rows for file in written):
                return False
            return same_rows(table, [file.uri for file in newest.files], [f"{newest.uri}/{f.path}" for f in written])

        done = publication.commit(table, metadata, check=self._check_not_superseded, same=same)
        self.report.tables[table.name] = {"written" if done.changed else "read": done.version}
        return done.changed

    def _check_not_superseded(self, newest: Snapshot) -> None:
        """Raise Superseded if another run has published a version that this run must not replace.

        A version of a newer source is never replaced. Any other version that was published after this run began is
        replaced only if both of these hold: this run has no pending results, and that version has either the recipe of
        this run or the recipe of the table that was live when this run began.

        Args:
            newest: The newest version of the table to be replaced, which is the sink or its rejects.
        """
        newest = newest.part(self.spec.scope)
        old = newest.metadata.get("source", {})
        if old.get("table_id") == self.source.table_id and old.get("version", -1) > self.source.version:
            raise Superseded(
                f"the live {newest.name} is of version {old['version']} of {self.source.name}; "
                f"this run read version {self.source.version}"
            )
        sink = newest if newest.name == self.spec.sink.name else find_live(self.spec, self.store)
        now, then = sink.metadata if sink else {}, self.live.metadata if self.live else {}
        if now.get("run_key") == then.get("run_key"):
            return
        if not self.complete:  # publishing would undo results and live rows of the other run
            raise Superseded(
                f"run {now.get('run_key')} published meanwhile; this run computed only a part and does not replace it"
            )
        if now.get("recipe") not in (then.get("recipe"), self.spec.recipe):
            raise Superseded(f"run {now.get('run_key')} published recipe {now.get('recipe')} meanwhile")


def count(report: Report, **rows: int) -> None:
    """Enter numbers of rows in the report: `count(report, read=100, computed=3)`."""
    for name, number in rows.items():
        setattr(report.rows, name, number)
