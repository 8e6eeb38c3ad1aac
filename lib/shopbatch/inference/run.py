"""The door of the machinery: a source snapshot in, a published table out. Every inference job calls `run_inference`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray

from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import GateRefused, Stopped
from shopbatch.core.progress import Progress
from shopbatch.inference.audit import audit
from shopbatch.inference.compute import cut_units, stream
from shopbatch.inference.memo import Again, Memo, find_pending
from shopbatch.inference.publish import Candidate, build_candidate, sample_rows
from shopbatch.inference.source import Index, Refs, build_index
from shopbatch.inference.spec import InferenceConfig, Spec
from shopbatch.inference.unit import Task
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.schema import Table
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import refusal
from shopbatch.warehouse.store import Snapshot, Store, check_schema

COMMIT_BYTES = 64 * 1024 * 1024


class Superseded(Exception):
    """The live table is of a newer snapshot of the same source."""


class Overtaken(Exception):
    """The live table already says the same."""


def run_inference(
    spec: Spec, config: InferenceConfig, store: Store, report: Report, spent: dict[str, float] | None = None
) -> None:
    """Bring the sink up to date with the source, computing only what the memo does not hold.

    spent: what the caps of the budget have been used for so far, by a job that calls this several times; added to.
    Fills the report. Raises UserError (source or sink table wrong), GateRefused, Stopped (budget).
    """
    store.check_writable()
    source = store.require(spec.source, spec.columns)
    live = find_live(spec, store)
    report.recipe = spec.recipe
    report.tables[spec.source.name] = {"read": source.version}
    with report.stage("index") as stage:
        index = build_index(spec, source)
        stage.rows = source.rows
    memo = Memo(store, spec, report.run_id, index.shards)
    account = {} if spent is None else spent
    InferenceRun(spec, config, store, report, source, live, index, memo, spent=account).run()
    report.samples += sample_rows(spec, source, find_live(spec, store))


def find_live(spec: Spec, store: Store) -> Snapshot | None:
    """The published rows that the job is about, None before the first run. UserError: a table of another schema."""
    live = store.find(spec.sink.name)
    if live is None:
        return None
    check_schema(spec.sink, live)
    live = live.part(spec.scope)
    return live if live.metadata or live.files else None


@dataclass
class InferenceRun:
    """One run, its source pinned and indexed. live: the published version when it began."""

    spec: Spec
    config: InferenceConfig
    store: Store
    report: Report
    source: Snapshot
    live: Snapshot | None
    index: Index
    memo: Memo
    pending: list[Refs] = field(default_factory=list)  # [shard][part]
    counts: list[int] = field(default_factory=list)  # pending contents of each part
    complete: bool = True  # nothing is left pending
    spent: dict[str, float] = field(default_factory=dict)  # rows, tokens and seconds so far
    used: dict[str, int] = field(default_factory=dict)  # rows, calls, tokens and tokens_out of this run

    def run(self) -> None:
        config, computed = self.config, 0
        with self.report.stage("pending") as stage:
            self.memo.adopt()
            self.memo.load()
            stage.rows = self.find_pending(Again(rejects=config.retry_rejects, attempts=config.attempts))
        for number in range(config.attempts):
            total = sum(self.counts)
            todo = total if config.limit is None else min(total, config.limit - computed)
            self._refuse_too_many(todo)
            if todo:
                self._compute(todo, number)
                computed += todo
            self.complete = todo == total
            if not todo or config.attempts == 1:
                break
            with self.report.stage("pending"):  # those that the checks refuse are tried again
                self.find_pending(Again(infra=False, attempts=config.attempts))
        if computed or not self._is_live():
            crash_point("before_publish")
            self._publish()

    def _refuse_too_many(self, todo: int) -> None:
        cap, before = self.config.budget.max_rows, int(self.spent.get("rows", 0))
        if cap is not None and before + todo > cap:
            raise Stopped(
                f"{before + todo} contents would be computed, more than budget.max_rows={cap}: "
                "raise it, or compute some of them with limit=N"
            )

    def find_pending(self, again: Again) -> int:
        """Find what the memo does not hold, and what is to be tried again; returns the number of distinct contents."""
        parts, index, first = len(self.index.parts), self.index, not self.counts
        task = find_pending.options(num_returns=1 + parts)
        found = [
            task.remote(self.spec, parts, again, *(p[s] for p in index.pieces), *self.memo.shard(s))
            for s in range(index.shards if parts else 0)
        ]
        counts = ray.get([f[0] for f in found])
        self.pending = [f[1:] for f in found]
        self.counts = [sum(c["pending"][p] for c in counts) for p in range(parts)]
        distinct = int(sum(c["distinct"] for c in counts))
        if first:
            reused = sum(c["reused"] for c in counts)
            self._count(read=self.source.rows, distinct=distinct, reused=reused, computed=0)
        return distinct

    def _compute(self, todo: int, number: int) -> None:
        """Compute `todo` pending contents. What was written is committed on the way, and when this ends early."""
        spec, config, memo = self.spec, self.config, self.memo
        units = cut_units(self.index, self.pending, self.counts, todo, config, spec.stage.light)
        task = Task(
            spec=spec,
            config=config,
            schema=self.source.select(spec.stage.content),
            parts=self.index.parts,
            memo=memo.root,
            folder=memo.folder,
            journals=f"{self.store.root}/_runs/{spec.job}/{memo.run_id}/journal",
            run_id=memo.run_id,
            round=number,
        )
        memo.hold_lease()
        waiting: list[DataFile] = []
        began = last = time.monotonic()
        totals = {"rows": 0, "calls": 0, "tokens": 0, "tokens_out": 0}
        with self.report.stage("compute") as stage, Progress(todo, stage="compute") as progress:
            try:
                for file, receipt in stream(task, units):
                    waiting.append(file)
                    for name in totals:
                        totals[name] += receipt[name]
                    progress.advance(file.rows, receipt["rejects"])
                    crash_point("compute")
                    self._refuse_too_much(totals, began)
                    due = time.monotonic() - last >= config.commit_seconds
                    if due or sum(f.size for f in waiting) >= COMMIT_BYTES:
                        memo.commit(waiting)
                        memo.hold_lease()
                        waiting, last = [], time.monotonic()
                crash_point("before_commit")
            finally:
                memo.commit(waiting)
                stage.rows = totals["rows"]
                self._count(computed=(self.report.rows.computed or 0) + totals["rows"])
                self.used = {n: self.used.get(n, 0) + v for n, v in totals.items()}
                for name, value in (*totals.items(), ("seconds", time.monotonic() - began)):
                    self.spent[name] = self.spent.get(name, 0) + value
                self.report.engine = EngineUse(
                    str(spec.stage.recipe()["engine"]["kind"]),
                    self.used["calls"],
                    self.used["tokens"],
                    self.used["tokens_out"],
                )
                self.report.metrics["memo"] = {"commits": memo.commits, "seconds": round(memo.commit_seconds, 3)}
        memo.end_lease()
        memo.load()

    def _refuse_too_much(self, totals: Mapping[str, int], began: float) -> None:
        """Stopped once a cap on tokens or seconds is reached; what is written by then is committed."""
        budget = self.config.budget
        tokens = int(sum(self.spent.get(n, 0) + totals[n] for n in ("tokens", "tokens_out")))
        if budget.max_tokens is not None and tokens >= budget.max_tokens:
            raise Stopped(f"budget.max_tokens={budget.max_tokens} is reached ({tokens} used); {self._left(totals)}")
        seconds = time.monotonic() - began + self.spent.get("seconds", 0.0)
        if budget.max_seconds is not None and seconds >= budget.max_seconds:
            raise Stopped(f"budget.max_seconds={budget.max_seconds:g} is reached; {self._left(totals)}")

    def _left(self, totals: Mapping[str, int]) -> str:
        return f"{totals['rows']} of {sum(self.counts)} contents are computed and kept"

    def _origin(self) -> dict[str, Any]:
        """What names a published version's inputs, in its commit; equal: there is nothing to publish."""
        source = self.source
        return {
            "job": self.spec.job,
            "recipe": self.spec.recipe,
            "checks": self.spec.stage.checks,
            "source": {"table": source.name, "table_id": source.table_id, "version": source.version},
            "gates": self.config.gates.model_dump() | self.spec.stage.limits(),
            "complete": self.complete,
            **({"scope": dict(self.spec.scope)} if self.spec.scope else {}),
        }

    def _is_live(self) -> bool:
        """Whether the live table is this source, recipe, checks and gates; if so, the report says so."""
        live, rejects = self.live, self.store.find(self.spec.rejects.name)
        if live is None or not self.complete or rejects is None:
            return False
        rejects = rejects.part(self.spec.scope)
        if any(live.metadata.get(k) != v for k, v in self._origin().items()):
            return False
        reasons, recipe = dict(live.metadata["reasons"]), rejects.metadata.get("recipe")
        # the rejects may be of another recipe: its run was killed between the two commits
        if rejects.rows != sum(reasons.values()) or (rejects.rows and recipe != self.spec.recipe):
            return False
        self._count(published=live.rows, rejected=sum(reasons.values()), pending=0, kept=0)
        self.report.rejects, self.report.outcome = reasons, "nothing to do"
        self.report.metrics["mix"] = live.metadata["mix"]
        self.report.tables[self.spec.sink.name] = {"read": live.version}
        return True

    def _publish(self) -> None:
        """Write the candidate, hold it against the gates, and make it visible or leave everything as it was."""
        spec, live, report = self.spec, self.live, self.report
        with report.stage("publish") as stage:
            keep = None if self.complete else live
            candidate = build_candidate(spec, self.store, self.source, self.index, self.memo, keep)
            stage.rows = self.source.rows
        self._count(**{n: candidate.total(n) for n in ("published", "rejected", "pending", "kept")})
        report.rejects, report.metrics["mix"] = candidate.reasons, candidate.mix
        other = live is not None and bool(live.files) and live.metadata.get("recipe") != spec.recipe
        if other and not self.complete:
            self._discard(candidate)
            report.outcome = "incomplete"
            report.message = "the new recipe is not computed whole yet: the live table stays as it is"
            return
        with report.stage("audit"):
            gates = audit(spec, self.config, self.source, candidate, live)
        report.gates = gates
        if refused := [g for g in gates if not g.passed]:
            self._discard(candidate)
            raise GateRefused("; ".join(refusal(g) for g in refused))
        with report.stage("commit"):
            self._commit(candidate)
        self.memo.compact()

    def _commit(self, candidate: Candidate) -> None:
        """The rejects first, then the table itself: a reader of the table always finds its rejects."""
        spec, report = self.spec, self.report
        metadata = self._origin() | {
            "digest": candidate.digest(),
            "rejects_digest": candidate.digest("rejects_digest"),
            "mix": candidate.mix,
            "reasons": candidate.reasons,
        }
        rejects = candidate.rejects  # not visible yet
        try:
            self._replace(spec.rejects, rejects, metadata, "rejects_digest")
            rejects = []
            crash_point("between_commits")
            changed = self._replace(spec.sink, candidate.files, metadata, "digest")
        except Superseded as error:
            self.store.discard(spec.sink, candidate.files)
            self.store.discard(spec.rejects, rejects)  # visible ones stay: the run that was faster may rely on them
            report.outcome, report.message = "superseded", str(error)
            return
        report.outcome = "published" if changed else "nothing to do"

    def _replace(self, table: Table, written: list[DataFile], metadata: dict[str, Any], digest: str) -> bool:
        """Replace a table's rows, unless it says the same already. Raises Superseded."""
        rows = sum(f.rows for f in written)

        def guard(newest: Snapshot) -> None:
            newest = newest.part(self.spec.scope)
            self._check_not_superseded(newest)
            if newest.metadata.get(digest) == metadata[digest] and newest.rows == rows:
                raise Overtaken

        try:
            version = self.store.commit(table, written, "replace", self.report.run_id, metadata, guard=guard)
        except Overtaken:
            self.store.discard(table, written)
            self.report.tables[table.name] = {"read": self.store.snapshot(table.name).version}
            return False
        self.report.tables[table.name] = {"written": version}
        return True

    def _check_not_superseded(self, newest: Snapshot) -> None:
        """Raises Superseded if what is live by now is ahead of what this run took into account.

        newest: of the table that is to be replaced. Other runs may publish at any time.
        """
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
        if not self.complete:  # it would take back results, and live rows that it did not know of
            raise Superseded(f"run {now.get('run_key')} published meanwhile; this one, of a part, does not replace it")
        if now.get("recipe") not in (then.get("recipe"), self.spec.recipe):
            raise Superseded(f"run {now.get('run_key')} published recipe {now.get('recipe')} meanwhile")

    def _discard(self, candidate: Candidate) -> None:
        self.store.discard(self.spec.sink, candidate.files)
        self.store.discard(self.spec.rejects, candidate.rejects)

    def _count(self, **rows: int) -> None:
        for name, number in rows.items():
            setattr(self.report.rows, name, number)
