"""Publishing a run's results: the candidate is written, judged, and committed, rejects first.

Called by `run.py`. Other runs may publish the same table at any time; an older source never replaces a newer one.
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

# Called with the candidate when the gates have passed it. What it returns is stored with the table's commit, so that
# what it made becomes visible in that commit. A table that stores something else is committed again, also with equal
# rows.
BeforeCommit = Callable[[Candidate], Mapping[str, Any]]


def find_live(spec: Spec, store: Store) -> Snapshot | None:
    """Find the published rows that the job is about; None before the first run. UserError: it cannot be replaced."""
    live = store.find(spec.sink.name)
    if live is None:
        return None
    check_target(spec.sink, live, "replace")
    live = live.part(spec.scope)
    return live if live.metadata or live.files else None


@dataclass
class Publisher:
    """Publishes what a run computed.

    Attributes:
        spec: The job.
        config: Its configuration.
        store: The warehouse.
        report: The run's report.
        source: The source that the run read.
        live: The published version when the run began; None before the first run.
        complete: Whether no result is pending.
        before_commit: Makes what is shown together with the table; None: nothing is.
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
        """Name a published version's inputs, for its commit. If they are those of the live one, nothing is to do."""
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
        """Whether the live table is of this source, recipe, checks and gates. If so, the report says so."""
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
        """Write the candidate, judge it, and make it visible. GateRefused: everything stays as it was."""
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
        """Let the run end if a gate did not pass; the candidate's rejects are then kept for `shopbatch show`."""
        try:
            refuse_if_failed(self.report.gates)
        except GateRefused:
            keep_candidate(self.store, self.spec.job, self.report.run_id, self.spec.rejects, candidate.rejects)
            raise

    def _commit(self, publication: Publication, candidate: Candidate, unscored: Mapping[str, int]) -> None:
        """Commit the rejects first, then the table: a reader of the table always finds its rejects."""
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
            # If this one is superseded, the rejects stay visible: the run that was faster may rely on them.
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
        """Replace a table's rows, unless it already says the same; returns whether it was replaced.

        Args:
            publication: Holds the candidate.
            table: Sink or rejects.
            metadata: What is stored with the commit.
            digest: The metadata key of the digest of the table's rows.
            written: The candidate's files.
            beside: The metadata keys that have to be equal, too.

        Raises:
            Superseded: What is live by now is ahead of what this run took into account.
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
        """Superseded if the newest version of the table to be replaced, or of the sink, is ahead of this run."""
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
        if not self.complete:  # it would undo results and live rows of the other run
            raise Superseded(
                f"run {now.get('run_key')} published meanwhile; this run computed only a part and does not replace it"
            )
        if now.get("recipe") not in (then.get("recipe"), self.spec.recipe):
            raise Superseded(f"run {now.get('run_key')} published recipe {now.get('recipe')} meanwhile")


def count(report: Report, **rows: int) -> None:
    """Enter numbers of rows in the report."""
    for name, number in rows.items():
        setattr(report.rows, name, number)
