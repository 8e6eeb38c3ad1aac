"""Runs the job `evaluate_search`: answers judged queries by several methods, measures them, and gives a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from shopbatch.capabilities.search.encoder import SearchEncoder, encoder_of
from shopbatch.capabilities.search.fusion import Ranked
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.index_files import Manifest, lease
from shopbatch.capabilities.search.live import live_index
from shopbatch.capabilities.search.quality import figures
from shopbatch.capabilities.search.quality.bm25 import Baselines, ranked_lists, tuned
from shopbatch.capabilities.search.quality.config import EvaluateSearchConfig
from shopbatch.capabilities.search.quality.measure import gain, measured
from shopbatch.capabilities.search.quality.publish import Live, Searched, accepted_before, origin_of, publish
from shopbatch.capabilities.search.quality.queries import Prepared, fair_to_tune_on, prepare, read_judgements
from shopbatch.capabilities.search.quality.reranked import helps, reranked_lists
from shopbatch.capabilities.search.quality.slices import sliced
from shopbatch.capabilities.search.quality.to_judge import FILE, sheet
from shopbatch.capabilities.search.quality.traffic import unanswered
from shopbatch.capabilities.search.quality.tuning import both_lists, dense_lists, tuned_fusion
from shopbatch.capabilities.search.quality.verdict import Evidence, verdict
from shopbatch.capabilities.search.rerank.scores import Reranker
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.core.errors import UserError
from shopbatch.engines.factory import prepare as prepare_engine
from shopbatch.evaluation.judged import mean
from shopbatch.runs.report import EngineUse, Report, run_folder
from shopbatch.tables import TABLES
from shopbatch.tables.events import EVENTS
from shopbatch.tables.judgements import JUDGEMENTS
from shopbatch.tables.search_quality import SEARCH_QUALITY
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

LIVE, RRF, DENSE, HYBRID = "the search that is live", "RRF", "dense", "hybrid, tuned"
RERANKED = "reranked"


def evaluate_search(config: EvaluateSearchConfig, store: Store, report: Report) -> None:
    """Run the job: judge the published index; if it is accepted, publish its quality and the tuned fusion weights.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.

    Raises:
        UserError: There is no index, or no judgement is of a product of the index.
        GateRefused: The search is not above the best tuned BM25, is below the live search, or there are too few
            judgements.
    """
    live = live_index(store)
    report.unit = "queries"
    judgements = store.require(
        TABLES[config.judgements], ("query", "product_id", "grade"), optional=("language", "source")
    )
    report.tables[judgements.name] = {"read": judgements.version}
    report.tables["product_embeddings"] = {"read": live.version}
    damaged, undone = put_in_order(store, SEARCH_QUALITY, report.run_id)
    report.message = undone
    reranker = Reranker.of(config.rerank, store)
    origin = origin_of(config, live.manifest, judgements, reranker)
    before = store.find(SEARCH_QUALITY.name)
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.tables[SEARCH_QUALITY.name] = {"read": before.version}
        report.outcome = "nothing to do"
        return
    with lease(store.root, report.run_id, live.manifest.key):
        encoder = encoder_of(live.manifest.encoder, store.root)
        report.engine, report.models = EngineUse(encoder.engine.kind), encoder.models
        prepare_engine(encoder.engine, encoder.path or None)
        halves = _queries(config, judgements, live.open(), encoder, report)
        made = Made(config, store, report, reranker)
        searched, (cells, unjudged) = _searched(made, live.manifest, halves, judgements)
    if unjudged:
        files.write_bytes(f"{run_folder(store.root, report.job, report.run_id)}/{FILE}", cells)
        report.links = {"Products to judge, as a CSV file": FILE}
    _count_traffic(config, store, report)
    _judge(config, report, searched, accepted_before(store, judgements, halves.test))
    publish(config, store, report, searched, Live(before, origin, judgements.rows))
    move_away(store, SEARCH_QUALITY, damaged)


@dataclass(frozen=True)
class Halves:
    """The judged queries of both halves, prepared for one index.

    Attributes:
        index: The index.
        tuning: The queries on which weights are tuned.
        test: The queries on which methods are measured.
    """

    index: SearchIndex
    tuning: Prepared
    test: Prepared


def _queries(
    config: EvaluateSearchConfig, judgements: Snapshot, index: SearchIndex, encoder: SearchEncoder, report: Report
) -> Halves:
    with report.stage("judgements") as stage:
        rows = judgements.read(["query", "product_id", "grade", "language", "source"])
        queries, counts = read_judgements(rows, index, config.sources)
        if not queries:
            raise UserError(
                "no judgement is of a product that the search index holds: load judgements of this catalogue's products"
            )

        tuning = fair_to_tune_on(queries, encoder)[: config.max_queries]
        test = [query for query in queries if not query.is_tuning][: config.max_queries]
        halves = Halves(index, prepare(index, encoder, tuning), prepare(index, encoder, test))
        stage.rows = len(halves.tuning.queries) + len(halves.test.queries)
    report.metrics["judgements"] = counts | {
        "tuning half": len(halves.tuning.queries),
        "test half": len(halves.test.queries),
    }
    return halves


@dataclass(frozen=True)
class Made:
    """The inputs of one run.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report.
        reranker: The cross-encoder; None if nothing is reranked.
    """

    config: EvaluateSearchConfig
    store: Store
    report: Report
    reranker: Reranker | None


def _searched(
    made: Made, manifest: Manifest, halves: Halves, judgements: Snapshot
) -> tuple[Searched, tuple[bytes, int]]:
    """Tune on the tuning half, answer the test half by every method, and measure the answers.

    Returns:
        The measured quality of all methods; the sheet of products to judge next (CSV) with its number of rows.
    """
    config, report = made.config, made.report
    index, tuning, test = halves.index, halves.tuning.first(config.max_tuning), halves.test
    with report.stage("tuning") as stage:
        stage.rows = len(tuning.queries)
        baselines = Baselines(index, manifest.lexical, [*tuning.texts, *test.texts])
        bm25 = tuned(baselines, tuning.first(config.max_tuning // 2))
        fusion = tuned_fusion(both_lists(index, tuning), config.min_labelled, _origin_of_weights(judgements))
    with report.stage("search") as stage:
        stage.rows = len(test.queries)
        rrf = FusionSettings(method="rrf", dense={"*": 0.5}, depth=index.fusion.depth)
        fused = {HYBRID: fusion, LIVE: index.fusion, RRF: rrf}
        lists = {
            name: answered(replace(index, fusion=settings), test, config.depth)
            for name, settings in fused.items()
            if settings is not None
        }
        lists[DENSE] = [best for best, _ in dense_lists(index, test, config.depth)]
        lists |= {name: ranked_lists(baselines.made(s), test, config.depth) for name, s in bm25.items()}
    base = HYBRID if fusion is not None else LIVE
    if made.reranker is not None:
        with report.stage("rerank") as stage:
            stage.rows = len(test.queries)
            ranked = searched_for(replace(index, fusion=fused[base] or index.fusion), test, config.depth)
            lists[RERANKED] = reranked_lists(config, made.store, report, made.reranker, index, (test, ranked))
    measures = {name: measured(index, test, found) for name, found in lists.items()}
    baseline = max(bm25, key=lambda name: mean(measures[name].ndcg))  # chosen on the test half, which favours BM25
    candidate = base if made.reranker is None else RERANKED
    searched = Searched(manifest, test, measures, candidate, baseline, fusion or index.fusion)
    _describe(config, report, searched, bm25)
    return searched, sheet(index, test, [lists[candidate], lists[baseline]])


def _origin_of_weights(judgements: Snapshot) -> str:
    version = str(judgements.version)
    return version if judgements.name == JUDGEMENTS.name else f"{judgements.name}@{version}"


def answered(index: SearchIndex, prepared: Prepared, depth: int) -> list[np.ndarray]:
    """Answer queries as `search_products` does, without reranking.

    Args:
        index: The index.
        prepared: The queries.
        depth: Number of products of a query, at most.

    Returns:
        For each query its products as row numbers of the index, best first.
    """
    return [ranked.products for ranked in searched_for(index, prepared, depth)]


def searched_for(index: SearchIndex, prepared: Prepared, depth: int) -> list[Ranked]:
    """Answer queries as `search_products` does, without reranking, and return the lists with their scores.

    Args:
        index: The index.
        prepared: The queries.
        depth: Number of products of a query, at most.
    """
    if not prepared.queries:
        return []
    masks = [plan.mask for plan in prepared.plans]
    languages = [plan.language for plan in prepared.plans]
    terms = index.lexical.look_up(prepared.texts)
    return index.search(terms, prepared.vectors, languages, masks, depth)


def _describe(
    config: EvaluateSearchConfig, report: Report, searched: Searched, bm25: Mapping[str, LexicalSettings]
) -> None:
    """Add the measures, the slices and the figures to the report."""
    candidate, baseline = searched.measures[searched.candidate], searched.measures[searched.baseline]
    trees = {name: m.tree(config.seed) for name, m in searched.measures.items()}
    others = {name: gain(candidate.ndcg, m.ndcg, config.seed).tree() for name, m in searched.measures.items()}
    parts = sliced(searched.test, candidate, baseline, config.seed)
    report.metrics["search"] = {
        "candidate": searched.candidate,
        "best_bm25": searched.baseline,
        "methods": trees,
        "ndcg_10_against": {name: tree for name, tree in others.items() if name != searched.candidate},
        "slices": parts,
        "bm25": {name: settings.model_dump(mode="json") for name, settings in bm25.items()},
        "fusion": searched.fusion.model_dump(mode="json"),
    }
    report.figures += figures.methods(searched.measures, config.seed)
    report.figures += figures.slices(parts)
    report.figures += figures.won_and_lost(searched.test, candidate, baseline, searched.baseline, config.listed)
    report.figures += figures.not_found(searched.test, candidate, config.listed)


def _count_traffic(config: EvaluateSearchConfig, store: Store, report: Report) -> None:
    """Add to the report the searches that led to no result or no click; nothing is added without events."""
    events = store.find(EVENTS.name)
    if events is None or not events.files:
        return
    report.tables[EVENTS.name] = {"read": events.version}
    counts = unanswered(events, config.listed)
    report.metrics["searches"] = {
        "searches": counts.searches,
        "with result": counts.with_result,
        "without result": counts.without_result,
        "without click": counts.without_click,
    }
    report.figures += figures.traffic(counts)


def _judge(config: EvaluateSearchConfig, report: Report, searched: Searched, accepted: np.ndarray | None) -> None:
    """Give the verdict, add it to the report, and refuse the search unless the verdict is "above".

    Args:
        config: Settings of the job.
        report: The run's report.
        searched: The measured quality.
        accepted: nDCG@10 of each query by the search that was accepted last; None if there is none.
    """
    candidate = searched.measures[searched.candidate]
    live = {LIVE: gain(candidate.ndcg, searched.measures[LIVE].ndcg, config.seed)} if searched.candidate != LIVE else {}
    without = searched.measures[HYBRID if HYBRID in searched.measures else LIVE]
    if accepted is not None and not np.isnan(candidate.ndcg - accepted).all():
        live["the search that was accepted last"] = gain(candidate.ndcg, accepted, config.seed)
    known = int((~np.isnan(candidate.ndcg)).sum())
    above = gain(candidate.ndcg, searched.measures[searched.baseline].ndcg, config.seed)
    evidence = Evidence(known, mean(candidate.unjudged), searched.baseline, above, live)
    word, gates = verdict(evidence, config.gates)
    if searched.candidate == RERANKED:
        gates.append(better := helps(gain(candidate.ndcg, without.ndcg, config.seed)))
        word = "not above" if word == "above" and not better.passed else word
    report.metrics["search"]["verdict"] = word
    report.gates += gates
    report.highlights = {
        "verdict": word,
        "nDCG@10": f"{mean(candidate.ndcg):.3f}",
        f"against {searched.baseline}": f"{above.value:+.3f} [{above.low:+.3f}, {above.high:+.3f}]",
    }
    refuse_if_failed(gates if word != "cannot tell" else [g for g in gates if g.name.startswith("judged")], word)
