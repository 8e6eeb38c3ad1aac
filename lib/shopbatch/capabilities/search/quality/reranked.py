"""Reranks the lists of judged queries with a cross-encoder, and decides whether reranking helps."""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.search.fusion import Ranked
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.quality.config import EvaluateSearchConfig
from shopbatch.capabilities.search.quality.queries import Prepared
from shopbatch.capabilities.search.rerank.order import reordered
from shopbatch.capabilities.search.rerank.scores import Reranker, distinct, pairs_of
from shopbatch.evaluation.classification import Interval
from shopbatch.inference.config import InferenceConfig
from shopbatch.runs.report import Report
from shopbatch.warehouse.gates import Gate, explain
from shopbatch.warehouse.store import Store


def reranked_lists(
    config: EvaluateSearchConfig,
    store: Store,
    report: Report,
    reranker: Reranker,
    index: SearchIndex,
    test: tuple[Prepared, list[Ranked]],
) -> list[np.ndarray]:
    """Rerank the lists of queries with a cross-encoder.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        reranker: The cross-encoder.
        index: The index.
        test: The queries, and their lists before reranking.

    Returns:
        For each query its products as row numbers of the index, best first.
    """
    prepared, ranked = test
    depth, texts = config.rerank.depth, [query.text for query in prepared.queries]
    pairs = pairs_of(index, texts, [each.products[:depth] for each in ranked])
    workers = InferenceConfig(platform=config.platform, wait=config.wait)
    scores = reranker.scores(distinct(pairs), store, report, workers)
    known = np.array([scores.get(name, np.nan) for name in pairs["pair_id"].to_pylist()], np.float64)
    lists, start = [], 0
    for each in ranked:
        end = start + len(each.products[:depth])
        lists.append(each.products[reordered(each.scores, known[start:end], config.rerank.weight).places])
        start = end
    return lists


def helps(gap: Interval) -> Gate:
    """Return the gate that demands that reranking makes the search significantly better.

    Args:
        gap: nDCG@10 with reranking minus that without; the gate passes if its interval is above 0.
    """
    passed = gap.low > 0
    what = f"nDCG@10 is {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] against the search without reranking"
    why = "a cross-encoder reads every product of every answer, and this one is not surely worth it"
    do = "leave rerank.model out, or try another model or rerank.weight"
    return Gate("better with reranking", round(gap.value, 5), 0, passed, explain(passed, what, why, do, what))
