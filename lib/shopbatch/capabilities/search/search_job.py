"""Queries -> search_results: the queries are embedded like any rows, then answered from the published index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from shopbatch.capabilities.search.answers import Answer, answers
from shopbatch.capabilities.search.config import SearchProductsConfig
from shopbatch.capabilities.search.encoder import SearchEncoder, encoder_of
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.index_files import lease, opened
from shopbatch.capabilities.search.live import LiveIndex, live_index
from shopbatch.capabilities.search.plan import Asked
from shopbatch.capabilities.search.rerank.order import reordered
from shopbatch.capabilities.search.rerank.scores import Reranker, distinct, pairs_of
from shopbatch.core.crash_points import crash_point
from shopbatch.core.hashing import digest
from shopbatch.engines.factory import prepare
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.queries import QUERIES
from shopbatch.tables.search_results import QUERY_EMBEDDINGS, QUERY_EMBEDDINGS_REJECTS, SEARCH_RESULTS
from shopbatch.vectors.columns import matrix
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, Superseded, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSION = 3  # of what a search answers: another one answers every query again
CHUNK = 512  # queries of one task


def query_spec(config: SearchProductsConfig, encoder: SearchEncoder) -> Spec:
    """The inference job that embeds queries. Its recipe does not name the index: a new index embeds no query again."""
    stage = encoder.query_stage(config.max_bytes)
    return Spec("search_products", QUERIES, stage, QUERY_EMBEDDINGS, QUERY_EMBEDDINGS_REJECTS)


def search_products(config: SearchProductsConfig, store: Store, report: Report) -> None:
    """Embed the new queries, and answer all of them if they or the index have changed.

    Raises:
        UserError: There is no index.
        GateRefused, Stopped: As `run_inference`.
    """
    live = live_index(store)
    report.unit = "queries"
    with lease(store.root, report.run_id, live.manifest.key):
        encoder = encoder_of(live.manifest.encoder, store.root)
        report.engine, report.models = EngineUse(encoder.engine.kind), encoder.models
        prepare(encoder.engine, encoder.path or None)
        spec = query_spec(config, encoder)
        store.check_targets([SEARCH_RESULTS], "replace")
        run_inference(spec, config, store, report)
        embedded = find_live(spec, store)
        if embedded is not None:
            _answer_all(Answering(config, store, report, Reranker.of(config.rerank, store)), live, embedded)


@dataclass(frozen=True)
class Answering:
    """What a run has: its configuration, the warehouse, the report, and the cross-encoder, if there is one."""

    config: SearchProductsConfig
    store: Store
    report: Report
    reranker: Reranker | None

    def scores(self, chunks: Sequence[pa.Table], target: Target) -> Mapping[str, float] | None:
        """The scores of all pairs of a query and a product of its first answer; None if nothing is reranked."""
        if self.reranker is None:
            return None
        with self.report.stage("rerank") as stage:
            pairs = pa.concat_tables(ray.get([candidate_pairs.remote(target, chunk) for chunk in chunks]))
            stage.rows = pairs.num_rows
            return self.reranker.scores(distinct(pairs), self.store, self.report, self.config)


def _answer_all(run: Answering, live: LiveIndex, embedded: Snapshot) -> None:
    """Answer the embedded queries and publish the answers in one commit, unless they are live already."""
    config, store, report = run.config, run.store, run.report
    report.tables["product_embeddings"] = {"read": live.version}
    damaged, undone = put_in_order(store, SEARCH_RESULTS, report.run_id)
    before = store.find(SEARCH_RESULTS.name)
    made_from = {"table_id": embedded.table_id, "version": embedded.version}
    origin = {"version": VERSION, "index": live.manifest.key, "queries": made_from, "k": config.k}
    origin["literal"] = config.literal
    if run.reranker is not None:
        origin["rerank"] = run.reranker.identity
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.tables[SEARCH_RESULTS.name] = {"read": before.version}
        return
    table = embedded.read([*_CARRIED, "vector"])
    chunks = [table.slice(start, CHUNK) for start in range(0, table.num_rows, CHUNK)]
    index = (live.folder, live.manifest.key, live.manifest.model_dump_json())
    rerank = (config.rerank.depth, config.rerank.weight) if run.reranker is not None else None
    target = Target(*index, store.uri(SEARCH_RESULTS.name), report.run_id, config.k, config.literal, rerank)
    scores = run.scores(chunks, target)
    with report.stage("search") as stage, Publication(store, report.run_id) as publication:
        stage.rows = table.num_rows
        publication.add(SEARCH_RESULTS, _written(chunks, target, scores))
        read = {QUERY_EMBEDDINGS.name: table.num_rows}
        report.gates += publication.judge(SEARCH_RESULTS, config.gates.rows, read, before)
        refuse_if_failed(report.gates)
        crash_point("search_written")
        try:
            done = publication.commit(
                SEARCH_RESULTS,
                {"job": "search_products", "origin": origin, "digest": digest(origin)},
                check=unless_changed(before.files if before is not None else ()),
            )
        except Superseded as error:
            report.outcome, report.message = "superseded", str(error)
            return
    move_away(store, SEARCH_RESULTS, damaged)
    report.tables[SEARCH_RESULTS.name] = {"written": done.version}
    report.outcome, report.message = "published", "; ".join(filter(None, [undone, report.message]))
    report.highlights = {"queries": f"{table.num_rows:,}"}


_CARRIED = ("query_id", "query", "language", "filters", "k", "user_id", "content_hash")


@dataclass(frozen=True)
class Target:
    """What every task gets: the index (folder, key, manifest as JSON), the table's root, the run, and settings.

    rerank: how many products of a query are reranked, and the share of the cross-encoder's score; None: none are.
    """

    folder: str
    key: str
    manifest: str
    root: str
    run_id: str
    k: int
    literal: bool
    rerank: tuple[int, float] | None = None


def _written(chunks: Sequence[pa.Table], target: Target, scores: Mapping[str, float] | None) -> list[DataFile]:
    """Answer the queries in tasks of CHUNK, each of which writes a file where it will stay."""
    shared = ray.put(scores)
    tasks = [write_answers.remote(target, number, chunk, shared) for number, chunk in enumerate(chunks)]
    return list(ray.get(tasks))


@ray.remote
def write_answers(target: Target, number: int, queries: pa.Table, scores: Mapping[str, float] | None) -> DataFile:
    """Answer some queries and write their rows of search_results."""
    index = opened(target.folder, target.manifest)
    rows = answer_rows(index, queries, target, scores)
    path = f"{target.run_id}/part-{number:05d}.parquet"
    files.write(f"{target.root}/{path}", rows)
    return files.describe(target.root, path, SEARCH_RESULTS.file_schema())


@ray.remote
def candidate_pairs(target: Target, queries: pa.Table) -> pa.Table:
    """Return the pairs of some queries and their best products, which a cross-encoder is to read."""
    index = opened(target.folder, target.manifest)
    _, given = _first_answers(index, queries, target)
    return distinct(pairs_of(index, queries["query"].to_pylist(), [_best(answer, target) for answer in given]))


def _best(answer: Answer, target: Target) -> np.ndarray:
    """The numbers of the products that are reranked."""
    return np.array([hit.number for hit in answer.hits[: _depth(target)]], np.int64)


def _depth(target: Target) -> int:
    return target.rerank[0] if target.rerank is not None else 0


def _first_answers(index: SearchIndex, queries: pa.Table, target: Target) -> tuple[list[int], list[Answer]]:
    """How many products each query wants, and its answer before reranking, which may be longer."""
    text, language, filters = (queries[name].to_pylist() for name in ("query", "language", "filters"))
    asked = [Asked.row(*row, literal=target.literal) for row in zip(text, language, filters, strict=True)]
    most = [min(1000, max(1, wish if wish is not None else target.k)) for wish in queries["k"].to_pylist()]
    vectors: np.ndarray = matrix(queries["vector"])
    return most, answers(index, asked, vectors, [max(each, _depth(target)) for each in most])


def _reranked(
    index: SearchIndex, texts: Sequence[str], given: list[Answer], target: Target, scores: Mapping[str, float]
) -> list[Answer]:
    """Reorder the first products of each answer by the scores of their pairs."""
    weight = target.rerank[1] if target.rerank is not None else 0.0
    lists = [_best(answer, target) for answer in given]
    names = iter(pairs_of(index, texts, lists)["pair_id"].to_pylist())
    out = []
    for answer, some in zip(given, lists, strict=True):
        known = np.array([scores.get(next(names), np.nan) for _ in some], np.float64)
        order = reordered(np.array([hit.score for hit in answer.hits], np.float32), known, weight)
        places = zip(order.places.tolist(), order.scores.tolist(), strict=True)
        out.append(replace(answer, hits=[replace(answer.hits[place], score=score) for place, score in places]))
    return out


def answer_rows(
    index: SearchIndex, queries: pa.Table, target: Target, scores: Mapping[str, float] | None = None
) -> pa.Table:
    """Answer queries as rows of search_results.

    Args:
        index: The index.
        queries: The columns of `_CARRIED` and `vector`, [n].
        target: The index's key, the run, and how queries are answered.
        scores: Scores of the cross-encoder by pair, if answers are reranked.
    """
    columns: dict[str, Sequence[Any]] = {name: queries[name].to_pylist() for name in _CARRIED}
    most, answered = _first_answers(index, queries, target)
    if scores is not None:
        answered = _reranked(index, columns["query"], answered, target, scores)
    products = [
        [
            {
                "product_id": hit.product_id,
                "score": hit.score,
                "lexical": hit.lexical,
                "dense": hit.dense,
                "reason": hit.reason,
            }
            for hit in answer.hits[:wanted]
        ]
        for answer, wanted in zip(answered, most, strict=True)
    ]
    schema = SEARCH_RESULTS.file_schema()
    rows = {name: pa.array(columns[name], schema.field(name).type) for name in _CARRIED}
    rows["products"] = pa.array(products, schema.field("products").type)
    plans = [answer.plan for answer in answered]
    demands = [[asdict(c) | {"value": str(c.value)} for c in plan.constraints] for plan in plans]
    rows["constraints"] = pa.array(demands, schema.field("constraints").type)
    rows["unknown"] = pa.array([[str(c) for c in plan.unknown] for plan in plans], schema.field("unknown").type)
    rows["index"] = pa.repeat(pa.scalar(target.key), queries.num_rows)
    rows["run_id"] = pa.repeat(pa.scalar(target.run_id), queries.num_rows)
    return pa.table([rows[name] for name in schema.names], schema=schema)
