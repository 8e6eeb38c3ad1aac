"""The job `search_products`: embeds the table `queries`, answers them from the live index, writes `search_results`.

Queries are embedded like the rows of any inference job, through the memo. If a cross-encoder is configured, it reranks
the best products of each query.
"""

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

VERSION = 3  # of the answers' rules: after a change every query is answered again
CHUNK = 512  # queries per task


def query_spec(config: SearchProductsConfig, encoder: SearchEncoder) -> Spec:
    """Return the inference job that embeds queries (`queries` -> `query_embeddings`).

    Its recipe does not name the index, so a new index does not make any query be embedded again.

    Args:
        config: Settings of the job (`conf/*/search_products.yaml`).
        encoder: The encoder of the live index.
    """
    stage = encoder.query_stage(config.max_bytes)
    return Spec("search_products", QUERIES, stage, QUERY_EMBEDDINGS, QUERY_EMBEDDINGS_REJECTS)


def search_products(config: SearchProductsConfig, store: Store, report: Report) -> None:
    """Run the job: embed the new queries, then answer all queries if they, the index or the settings have changed.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.

    Raises:
        UserError: There is no index, or its encoder is missing.
        GateRefused, Stopped: As in `run_inference`.
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
    """The inputs of the answering step of one run.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        reranker: The cross-encoder; None if nothing is reranked.
    """

    config: SearchProductsConfig
    store: Store
    report: Report
    reranker: Reranker | None

    def scores(self, chunks: Sequence[pa.Table], target: Target) -> Mapping[str, float] | None:
        """Score the pairs of each query and the products of its first answer with the cross-encoder.

        Args:
            chunks: The embedded queries, in tables of at most `CHUNK` rows.
            target: The index and the settings that the tasks need.

        Returns:
            Score by `pair_id`; None if nothing is reranked. A pair that the stage rejected has no score.
        """
        if self.reranker is None:
            return None
        with self.report.stage("rerank") as stage:
            pairs = pa.concat_tables(ray.get([candidate_pairs.remote(target, chunk) for chunk in chunks]))
            stage.rows = pairs.num_rows
            return self.reranker.scores(distinct(pairs), self.store, self.report, self.config)


def _answer_all(run: Answering, live: LiveIndex, embedded: Snapshot) -> None:
    """Answer the embedded queries and publish the answers in one commit.

    Nothing is done if the live table was made from the same queries, index and settings (its origin is the same).

    Args:
        run: Settings, warehouse, report and cross-encoder of the run.
        live: The published index.
        embedded: The snapshot of `query_embeddings`.
    """
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
    """The settings that every answering task gets: which index to open, where to write, and how to answer.

    Attributes:
        folder: The index's folder.
        key: The index's key.
        manifest: The index's manifest, as JSON.
        root: Root of the table `search_results`.
        run_id: The run.
        k: Number of products of an answer, for a query that does not give its own `k`.
        literal: Whether queries are taken as words alone, without conditions.
        rerank: How many products of a query are reranked, and the weight of the cross-encoder's score (0 to 1); None:
            nothing is reranked.
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
    """Answer the queries in one Ray task per chunk; each task writes one file in its final place.

    Returns:
        The files, in the order of the chunks, not committed yet.
    """
    shared = ray.put(scores)
    tasks = [write_answers.remote(target, number, chunk, shared) for number, chunk in enumerate(chunks)]
    return list(ray.get(tasks))


@ray.remote
def write_answers(target: Target, number: int, queries: pa.Table, scores: Mapping[str, float] | None) -> DataFile:
    """Ray task: answer one chunk of queries and write its rows of `search_results` as one Parquet file.

    Args:
        target: The index, the table's root and the settings.
        number: The chunk's number, which names the file (`part-00003.parquet`).
        queries: Rows of `query_embeddings`.
        scores: The cross-encoder's score by `pair_id`; None if nothing is reranked.

    Returns:
        The file, not committed yet.
    """
    index = opened(target.folder, target.manifest)
    rows = answer_rows(index, queries, target, scores)
    path = f"{target.run_id}/part-{number:05d}.parquet"
    files.write(f"{target.root}/{path}", rows)
    return files.describe(target.root, path, SEARCH_RESULTS.file_schema())


@ray.remote
def candidate_pairs(target: Target, queries: pa.Table) -> pa.Table:
    """Ray task: return the (query, product) pairs that the cross-encoder has to score, each pair once.

    Args:
        target: The index and the settings.
        queries: One chunk of rows of `query_embeddings`.

    Returns:
        The columns `pair_id`, `query` and `text`, for the best `target.rerank[0]` products of each query.
    """
    index = opened(target.folder, target.manifest)
    _, given = _first_answers(index, queries, target)
    return distinct(pairs_of(index, queries["query"].to_pylist(), [_best(answer, target) for answer in given]))


def _best(answer: Answer, target: Target) -> np.ndarray:
    """Return the products of an answer that are reranked, as row numbers of the index, int64 [at most depth]."""
    return np.array([hit.number for hit in answer.hits[: _depth(target)]], np.int64)


def _depth(target: Target) -> int:
    """Return how many products of each query are reranked; 0 if nothing is reranked."""
    return target.rerank[0] if target.rerank is not None else 0


def _first_answers(index: SearchIndex, queries: pa.Table, target: Target) -> tuple[list[int], list[Answer]]:
    """Answer queries without the cross-encoder.

    Returns:
        How many products each query wants (1 to 1000), and its answer. If answers are reranked, an answer may be longer
        than the query wants, since the cross-encoder chooses from more products.
    """
    text, language, filters = (queries[name].to_pylist() for name in ("query", "language", "filters"))
    asked = [Asked.row(*row, literal=target.literal) for row in zip(text, language, filters, strict=True)]
    most = [min(1000, max(1, wish if wish is not None else target.k)) for wish in queries["k"].to_pylist()]
    vectors: np.ndarray = matrix(queries["vector"])
    return most, answers(index, asked, vectors, [max(each, _depth(target)) for each in most])


def _reranked(
    index: SearchIndex, texts: Sequence[str], given: list[Answer], target: Target, scores: Mapping[str, float]
) -> list[Answer]:
    """Reorder the first products of each answer by the search's score mixed with the cross-encoder's.

    Args:
        index: The index.
        texts: The queries, [n].
        given: The answers before reranking, [n].
        target: How many products are reranked, and the weight of the cross-encoder's score.
        scores: The cross-encoder's score by `pair_id`.
    """
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
    """Answer queries, and return the answers as rows of `search_results`, [n].

    Args:
        index: The index.
        queries: Rows of `query_embeddings`: the columns of the query (`query_id`, `query`, `filters`, ...) and
            `vector`, [n].
        target: The index's key, the run, and how queries are answered.
        scores: The cross-encoder's score by `pair_id`; None if answers are not reranked.
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
