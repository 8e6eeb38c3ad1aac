"""Publishes the table `search_quality`: the quality of an accepted search, with its tuned weights as metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.index_files import Manifest
from shopbatch.capabilities.search.quality.config import EvaluateSearchConfig
from shopbatch.capabilities.search.quality.measure import Measured
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.quality.tuned import remembered
from shopbatch.capabilities.search.rerank.scores import Reranker
from shopbatch.capabilities.search.settings import FusionSettings
from shopbatch.core.crash_points import crash_point
from shopbatch.core.hashing import digest
from shopbatch.runs.report import Report
from shopbatch.tables.search_quality import SEARCH_QUALITY
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSION = 2  # of the rules of judging: after a change the search is judged again


@dataclass(frozen=True)
class Searched:
    """The measured quality of all methods on the test half.

    Attributes:
        manifest: The manifest of the index.
        test: The queries of the test half.
        measures: The quality of each method, by its name.
        candidate: Name of the method that is judged.
        baseline: Name of the best BM25.
        fusion: The fusion settings of the candidate.
    """

    manifest: Manifest
    test: Prepared
    measures: Mapping[str, Measured]
    candidate: str
    baseline: str
    fusion: FusionSettings


def origin_of(
    config: EvaluateSearchConfig, manifest: Manifest, judgements: Snapshot, reranker: Reranker | None
) -> dict[str, Any]:
    """Return everything that a verdict depends on, as JSON values; the commit of `search_quality` stores it.

    If the live table has an equal origin, the run has nothing to do.

    Args:
        config: Settings of the job.
        manifest: The manifest of the index.
        judgements: The snapshot of the judgements.
        reranker: The cross-encoder; None if nothing is reranked.
    """
    settings = config.model_dump(mode="json", exclude={"platform", "wait", "listed"})
    made_from = {"table_id": judgements.table_id, "version": judgements.version}
    origin = {"version": VERSION, "index": manifest.key, "judgements": made_from, "settings": settings}
    return origin if reranker is None else origin | {"rerank": reranker.identity}


def accepted_before(store: Store, judgements: Snapshot, test: Prepared) -> np.ndarray | None:
    """Return the quality of the search that was accepted last, if it was measured on the same judgements.

    Args:
        store: The warehouse.
        judgements: The judgements of this run.
        test: The queries of this run.

    Returns:
        nDCG@10 of each query, nan where unknown, float64 [queries]; None if no search was accepted on these judgements.
    """
    before = store.find(SEARCH_QUALITY.name)
    origin = before.metadata.get("origin", {}) if before is not None else {}
    same = {"table_id": judgements.table_id, "version": judgements.version}
    if before is None or origin.get("judgements") != same:
        return None
    rows = before.read(["query", "language", "ndcg"]).to_pylist()
    known = {(row["query"], row["language"]): row["ndcg"] for row in rows}
    asked = zip((query.text for query in test.queries), test.languages, strict=True)
    return np.array([np.nan if (value := known.get(key)) is None else value for key in asked], np.float64)


@dataclass(frozen=True)
class Live:
    """The state of the warehouse when a run began, against which `publish` checks the new table.

    Attributes:
        before: The version of `search_quality` that was live when the run began; a later version is not replaced.
        origin: Everything that the verdict depends on (see `origin_of`).
        judgements: Number of rows of the judgements.
    """

    before: Snapshot | None
    origin: dict[str, Any]
    judgements: int


def publish(config: EvaluateSearchConfig, store: Store, report: Report, searched: Searched, live: Live) -> None:
    """Publish the quality of an accepted search and its fusion weights in one commit.

    The outcome is "superseded" if another run published meanwhile.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        searched: The measured quality.
        live: The state that the publication is checked against.

    Raises:
        GateRefused: The table would shrink too far.
    """
    before, origin = live.before, live.origin
    with Publication(store, report.run_id) as publication:
        written = store.write_file(SEARCH_QUALITY, _rows(searched, report.run_id), report.run_id, 0)
        publication.add(SEARCH_QUALITY, [written])
        read = {config.judgements: live.judgements}
        report.gates += publication.judge(SEARCH_QUALITY, config.gates.rows, read, before)
        refuse_if_failed(report.gates)
        crash_point("quality_written")
        metadata = {
            "job": "evaluate_search",
            "origin": origin,
            "digest": digest(origin),
            "tuned": remembered(searched.fusion, searched.manifest),
        }
        check = unless_changed(before.files if before is not None else ())
        try:
            done = publication.commit(SEARCH_QUALITY, metadata, check=check)
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return
    report.tables[SEARCH_QUALITY.name] = {"written": done.version}
    report.outcome = "published"


def _rows(searched: Searched, run_id: str) -> pa.Table:
    queries, plans = searched.test.queries, searched.test.plans
    candidate, baseline = searched.measures[searched.candidate], searched.measures[searched.baseline]

    def numbers(values: np.ndarray) -> pa.Array:
        return pa.array(values, pa.float64(), mask=np.isnan(values))

    count = len(queries)
    return SEARCH_QUALITY.fill(
        count,
        query=pa.array([query.text for query in queries], pa.string()),
        language=pa.array(searched.test.languages, pa.string()),
        constrained=pa.array([plan.mask is not None for plan in plans], pa.bool_()),
        judged=pa.array([len(query.judged.products) for query in queries], pa.int32()),
        useful=pa.array([query.judged.useful for query in queries], pa.int32()),
        ndcg=numbers(candidate.ndcg),
        ndcg_judged=numbers(candidate.ndcg_judged),
        recall=numbers(candidate.recall),
        unjudged=numbers(candidate.unjudged),
        shown=pa.array(candidate.shown.astype(np.int32)),
        ndcg_bm25=numbers(baseline.ndcg),
        index=pa.repeat(pa.scalar(searched.manifest.key), count),
        run_id=pa.repeat(pa.scalar(run_id), count),
    )
