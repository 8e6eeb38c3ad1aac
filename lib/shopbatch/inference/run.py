"""Entry point of the machinery: `run_inference` brings a published table up to date with its source table.

Every inference job calls it. Steps: hash the content of each row, look it up in the memo (the table of earlier
results), compute only what the memo does not hold, audit the new table by gates, and publish it in one commit.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped
from shopbatch.core.progress import Progress
from shopbatch.core.sessions import start_ray
from shopbatch.inference.compute import cut_units, stream, worker_count
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.damage import Damage
from shopbatch.inference.inherit import inherit
from shopbatch.inference.memo import Memo
from shopbatch.inference.pending import Pending, RetryPolicy, all_pending
from shopbatch.inference.publish import BeforeCommit, Publisher, count, find_live
from shopbatch.inference.receipt import Receipt
from shopbatch.inference.refs import fetch, start
from shopbatch.inference.samples import sample_rows
from shopbatch.inference.shards import shard_count
from shopbatch.inference.source import Index, build_index
from shopbatch.inference.spec import Spec
from shopbatch.inference.stalls import looks
from shopbatch.inference.unit import Task
from shopbatch.runs.claims import Waited, claim
from shopbatch.runs.report import EngineUse, Report, Stage
from shopbatch.runs.stalls import Stalled, Stalls
from shopbatch.warehouse.damage import take_out
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.foreign import put_all_right
from shopbatch.warehouse.store import Snapshot, Store

COMMIT_BYTES = 64 * 1024 * 1024
# A source and a memo of up to this size are indexed in this process if Ray has not started yet: that takes about a
# second, and starting Ray takes five.
HERE_ROWS, HERE_BYTES = 250_000, 64 * 1024 * 1024
_USED = ("rows", "calls", "tokens", "tokens_out")


def run_inference(
    spec: Spec,
    config: InferenceConfig,
    store: Store,
    report: Report,
    spent: dict[str, float] | None = None,
    before_commit: BeforeCommit | None = None,
) -> None:
    """Bring the published table up to date with the source, computing only the results that the memo does not hold.

    First, changes by other clients to the sink, its rejects or the memo are undone. Damaged files of these tables are
    set aside, and their rows are made again. The report's message names these changes and files.

    Args:
        spec: The inference job.
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; this function fills it.
        spent: How much of each cap of the budget is used so far (`rows`, `calls`, `tokens`, `tokens_out`, `seconds`),
            for a job that calls this function several times. The use of this call is added to it.
        before_commit: Called with the accepted candidate to make something that must become visible in the same commit,
            such as an index of the rows (see `publish.BeforeCommit`); None: nothing.

    Raises:
        UserError: The source or the sink table is wrong.
        GateRefused: A gate refused the result; nothing was published.
        Stopped: A cap of the budget is reached; what was computed is kept.
    """
    store.check_writable()
    source = store.require(spec.source, spec.columns)
    undone = put_all_right(store, (spec.memo, spec.rejects, spec.sink), anew=True)
    store.check_targets([spec.rejects], "replace")
    store.check_targets([spec.memo], "append")
    damage = Damage(spec, store)
    undone += damage.set_aside(report.run_id)
    live = damage.without(find_live(spec, store))
    report.recipe = spec.recipe
    report.tables[spec.source.name] = {"read": source.version}
    index, memo = _index(spec, store, report, source)
    account = {} if spent is None else spent
    run = InferenceRun(spec, config, store, report, source, live, index, memo, spent=account)
    run.before_commit = before_commit
    run.run()
    damage.move_away()
    if undone and report.outcome == "nothing to do":
        report.outcome = "published"
    report.message = "; ".join([*undone, *(str(x) for x in (run.waited, report.message) if x)])
    # in a task, because whole row groups are read for a few rows, and the driver would not give back their memory
    report.samples += fetch([start(sample_rows, spec, source, find_live(spec, store))])[0]


def compute_inference(spec: Spec, config: InferenceConfig, store: Store, report: Report) -> list[str]:
    """Compute the results that the memo lacks, but publish nothing.

    A job calls it if the results must be judged before readers see them. A later `run_inference` with the same recipe
    finds all of them in the memo.

    Args:
        spec: The inference job.
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; this function fills it.

    Returns:
        One sentence for each fault of the memo that was found and corrected (changes by other clients, damaged files).

    Raises:
        UserError: The source table is wrong.
        Stopped: A cap of the budget is reached; what was computed is kept.
    """
    store.check_writable()
    source = store.require(spec.source, spec.columns)
    undone = put_all_right(store, (spec.memo,), anew=True)
    store.check_targets([spec.memo], "append")
    damaged = take_out(store, spec.memo, report.run_id, lambda ref: ref.partition["recipe"] == spec.recipe)
    report.tables[spec.source.name] = {"read": source.version}
    index, memo = _index(spec, store, report, source)
    InferenceRun(spec, config, store, report, source, find_live(spec, store), index, memo).compute()
    return [sentence for sentence in (*undone, damaged) if sentence]


def _index(spec: Spec, store: Store, report: Report, source: Snapshot) -> tuple[Index, Memo]:
    """Index the source (hash its rows) and open the memo of the job's recipe.

    If the source or the memo is large, Ray is started first. If both are small and Ray has not started yet, the index
    is built in this process, because that is faster than to start Ray.
    """
    memo = Memo(store, spec, report.run_id, shard_count(source.rows))
    size = sum(file.size for file in (*source.files, *memo.visible()))
    if source.rows > HERE_ROWS or size > HERE_BYTES:
        start_ray()
    with report.stage("index") as stage:
        index = build_index(spec, source)
        stage.rows = source.rows
    return index, memo


@dataclass
class InferenceRun:
    """One run of an inference job whose source is pinned and indexed: computes the pending rows, then publishes.

    Attributes:
        spec: The inference job.
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; the run fills it.
        source: The pinned snapshot of the source table.
        live: The published version when the run began; None before the first run.
        index: The content hash of each source row, or the reason why the row cannot be scored.
        memo: The results computed so far, by content hash.
        complete: Whether no row is pending any more.
        spent: How much of each cap of the budget is used so far, see `run_inference`.
        used: Rows, calls and tokens of this run.
        waited: The other runs of the same recipe for which this run has waited, and whether the last one finished its
            work; None: this run did not wait.
        before_commit: See `run_inference`.
    """

    spec: Spec
    config: InferenceConfig
    store: Store
    report: Report
    source: Snapshot
    live: Snapshot | None
    index: Index
    memo: Memo
    complete: bool = True
    spent: dict[str, float] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    waited: Waited | None = None
    before_commit: BeforeCommit | None = None

    def run(self) -> None:
        """Compute the pending rows, then publish, unless the live table is up to date already."""
        computed = self.compute()
        if computed or not self.publisher().is_live(self.index):
            crash_point("before_publish")
            self.publish()

    def compute(self) -> int:
        """Compute the pending rows and return how many rows were computed; each further attempt at a row counts again.

        If several runs want to compute with the same recipe at the same time, one of them computes, and the others wait
        for it. A run with `config.limit` does not wait.
        """
        config, computed = self.config, 0
        policy = RetryPolicy(rejects=config.retry_rejects, attempts=config.attempts)
        pending = self._find_pending(policy)
        if pending.total and config.limit is None:
            key = f"{self.spec.recipe}_retry" if config.retry_rejects else self.spec.recipe
            with claim(self.store, self.report, key, config.wait, "computes this recipe") as self.waited:
                if self.waited is not None or self.memo.is_behind():
                    policy = self._find_live_again()
                    pending = self._find_pending(policy)
                computed = self._compute_all(pending, policy)
        else:
            computed = self._compute_all(pending, policy)
        return computed

    def _find_pending(self, policy: RetryPolicy) -> Pending:
        """Load the memo, including files that killed runs left uncommitted, and find the contents that it lacks."""
        with self.report.stage("pending") as stage:
            self.memo.adopt()
            inherit(self.memo)
            self.memo.load()
            pending = self._pending(policy)
            stage.rows = pending.distinct
        count(self.report, read=self.source.rows, distinct=pending.distinct, reused=pending.reused, computed=0)
        return pending

    def _find_live_again(self) -> RetryPolicy:
        """Look again at the live table after waiting for another run, and choose which rejected rows to try again.

        Returns:
            The retry policy. If the other run finished its work, rows that it has tried are not tried again.
        """
        newest = find_live(self.spec, self.store)
        if newest is not None and newest.metadata.get("recipe") == self.spec.recipe:
            self.live = newest
        tried = self.waited is not None and self.waited.done
        rejects = self.config.retry_rejects and not tried
        return RetryPolicy(infra=not tried, rejects=rejects, attempts=self.config.attempts)

    def _compute_all(self, pending: Pending, policy: RetryPolicy) -> int:
        """Compute the pending rows in up to `config.attempts` rounds; return the number of rows computed in all.

        Each further round computes the rows whose results the stage's checks refuse.
        """
        config, computed = self.config, 0
        for number in range(config.attempts):
            todo = pending.total if config.limit is None else min(pending.total, config.limit - computed)
            self._refuse_too_many(todo)
            if todo:
                self._compute_safely(pending, todo, number, policy)
                computed += todo
            self.complete = todo == pending.total
            if not todo or config.attempts == 1:
                break
            with self.report.stage("pending"):  # the next round computes what the stage's checks refuse
                policy = RetryPolicy(infra=False, attempts=config.attempts)
                pending = self._pending(policy)
        return computed

    def _pending(self, policy: RetryPolicy) -> Pending:
        return all_pending(self.spec, self.index, self.memo, policy)

    def publisher(self) -> Publisher:
        """Return the object that publishes this run's results."""
        return Publisher(
            self.spec, self.config, self.store, self.report, self.source, self.live, self.complete, self.before_commit
        )

    def publish(self) -> None:
        """Write the new version of the published table from the memo, judge it by the gates, and commit it."""
        self.publisher().publish(self.index, self.memo)

    def _refuse_too_many(self, todo: int) -> None:
        cap, before = self.config.budget.max_rows, int(self.spent.get("rows", 0))
        if cap is not None and before + todo > cap:
            raise Stopped(
                f"{before + todo} contents would be computed, more than budget.max_rows={cap}: "
                "raise it, or compute some of them with limit=N"
            )

    def _compute_safely(self, pending: Pending, todo: int, number: int, policy: RetryPolicy) -> None:
        """Compute the pending rows; if the workers stall without a known cause, start computing once more.

        The second start computes only what is still missing.

        Args:
            pending: The pending rows.
            todo: Greatest number of rows to compute.
            number: Number of the round, from 0; it becomes part of the file names.
            policy: Which rejected rows are computed again, if a second start is needed.
        """
        before = self.report.rows.computed or 0
        try:
            self._compute(pending, todo, number)
        except Stalled:
            gc.collect()  # destroys the objects that hold the workers' CPUs
            self.memo.adopt_own()
            self.memo.load()
            left = self._pending(policy)  # also rows refused again before the standstill
            todo -= (self.report.rows.computed or 0) - before
            todo = left.total if self.config.limit is None else min(todo, left.total)
            if todo > 0:
                self._compute(left, todo, number + self.config.attempts, restart=False)

    def _compute(self, pending: Pending, todo: int, number: int, restart: bool = True) -> None:
        """Compute pending contents and commit the workers' files to the memo, even after an error.

        Args:
            pending: The pending contents.
            todo: Greatest number of contents to compute.
            number: Number of the round, from 0; it becomes part of the file names.
            restart: Whether to raise Stalled if the workers stall without a known cause.
        """
        spec, config, memo = self.spec, self.config, self.memo
        start_ray()
        units = cut_units(self.index.parts, pending, todo, config, spec.stage.stateless)
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
        totals = dict.fromkeys(_USED, 0)
        watch = Stalls(
            self.report,
            "compute",
            config.platform.watchdog_seconds,
            looks(task, worker_count(config, units), self.store.root),
            restart,
        )
        with self._account(totals, began), Progress(todo, stage="compute") as progress, watch as stalls:
            try:
                for receipt in stalls.waiting(stream(task, units)):
                    waiting.append(receipt.file(spec.recipe))
                    _add(totals, receipt)
                    progress.advance(receipt.rows, receipt.rejects)
                    crash_point("compute")
                    self._refuse_too_much(totals, began, pending.total)
                    due = time.monotonic() - last >= config.commit_seconds
                    if due or sum(f.size for f in waiting) >= COMMIT_BYTES:
                        memo.commit(waiting)
                        memo.hold_lease()
                        waiting, last = [], time.monotonic()
                crash_point("before_commit")
            finally:
                memo.commit(waiting)
        memo.end_lease()
        memo.load()

    @contextmanager
    def _account(self, totals: Mapping[str, int], began: float) -> Iterator[Stage]:
        """Add the rows, tokens and seconds that a `with` block uses to the report and to `spent`, even if it fails.

        The context manager yields the report's entry for the stage `compute`.

        Args:
            totals: Rows, calls and tokens computed in the block; the block updates them.
            began: Start of the block, by `time.monotonic()`.
        """
        with self.report.stage("compute") as stage:
            try:
                yield stage
            finally:
                stage.rows = totals["rows"]
                count(self.report, computed=(self.report.rows.computed or 0) + totals["rows"])
                self.used = {n: self.used.get(n, 0) + totals[n] for n in _USED}
                for name, value in (*totals.items(), ("seconds", time.monotonic() - began)):
                    self.spent[name] = self.spent.get(name, 0) + value
                kind, used = self.spec.stage.engine_kind, self.used
                self.report.engine = EngineUse(kind, used["calls"], used["tokens"], used["tokens_out"])
                memo = self.memo
                self.report.metrics["memo"] = {"commits": memo.commits, "seconds": round(memo.commit_seconds, 3)}

    def _refuse_too_much(self, totals: Mapping[str, int], began: float, pending: int) -> None:
        """Raise Stopped once a cap on tokens or seconds is reached. Files written by then are committed to the memo.

        Args:
            totals: Rows, calls and tokens computed in this round so far.
            began: Start of the round, by `time.monotonic()`.
            pending: Number of contents that were pending, for the message.
        """
        budget, left = self.config.budget, f"{totals['rows']} of {pending} contents are computed and kept"
        tokens = int(sum(self.spent.get(n, 0) + totals[n] for n in ("tokens", "tokens_out")))
        if budget.max_tokens is not None and tokens >= budget.max_tokens:
            raise Stopped(f"budget.max_tokens={budget.max_tokens} is reached ({tokens} used); {left}")
        seconds = time.monotonic() - began + self.spent.get("seconds", 0.0)
        if budget.max_seconds is not None and seconds >= budget.max_seconds:
            raise Stopped(f"budget.max_seconds={budget.max_seconds:g} is reached; {left}")


def _add(totals: dict[str, int], receipt: Receipt) -> None:
    for name in totals:
        totals[name] += getattr(receipt, name)
