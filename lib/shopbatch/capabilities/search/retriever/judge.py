"""Measures the search with a trained encoder against the live one, on the same queries, products and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.encoder import SearchEncoder
from shopbatch.capabilities.search.index import SearchIndex, dense_of
from shopbatch.capabilities.search.index_files import Manifest
from shopbatch.capabilities.search.language_vectors import LanguageVectors, means_of
from shopbatch.capabilities.search.plan import Asked, plans
from shopbatch.capabilities.search.quality import figures
from shopbatch.capabilities.search.quality.bm25 import Baselines, ranked_lists, tuned
from shopbatch.capabilities.search.quality.measure import Measured, gain, measured
from shopbatch.capabilities.search.quality.queries import JudgedQuery, Prepared, prepare
from shopbatch.capabilities.search.quality.run import LIVE, answered
from shopbatch.capabilities.search.quality.slices import FEWEST, sliced
from shopbatch.capabilities.search.quality.to_judge import sheet
from shopbatch.capabilities.search.quality.tuning import both_lists, dense_lists, tuned_fusion
from shopbatch.capabilities.search.quality.verdict import Evidence, Verdict, verdict
from shopbatch.capabilities.search.retriever.config import FinetuneRetrieverConfig
from shopbatch.capabilities.search.retriever.pairs import Groups
from shopbatch.capabilities.search.run import spec_of
from shopbatch.capabilities.search.vectors import fill_from_memo, of_queries
from shopbatch.core.errors import Stopped
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.judged import mean
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.run import compute_inference
from shopbatch.runs.report import Report
from shopbatch.warehouse.gates import Gate, explain
from shopbatch.warehouse.store import Store

CANDIDATE, ALIKE = "hybrid, trained encoder", "hybrid, live encoder, tuned alike"
_KEPT = "the live encoder stays; load more judgements, or train with other settings (loop, encoder)"
DENSE, DENSE_LIVE = "dense, trained encoder", "dense, live encoder"


@dataclass(frozen=True)
class Searches:
    """The judged queries, prepared for one index.

    Attributes:
        index: The index.
        tuning: The queries of the tuning half, without vectors; BM25 variants are tuned on them.
        choosing: The queries of the tuning half that are not trained on; fusion weights are tuned on them.
        test: The queries of the test half.
    """

    index: SearchIndex
    tuning: Prepared
    choosing: Prepared
    test: Prepared

    @classmethod
    def of(
        cls, index: SearchIndex, encoder: SearchEncoder, groups: Groups, config: FinetuneRetrieverConfig
    ) -> Searches:
        """Plan and embed the judged queries.

        Args:
            index: The index.
            encoder: The encoder of the index.
            groups: The queries by their use.
            config: Settings of the job.
        """
        choosing, test = groups.val[: config.max_tuning], groups.test[: config.max_queries]
        tuning = _without_vectors(index, groups.tuning[: config.max_tuning // 2])
        return cls(index, tuning, prepare(index, encoder, choosing), prepare(index, encoder, test))

    def with_encoder(self, index: SearchIndex, encoder: SearchEncoder) -> Searches:
        """Return the same queries with the vectors of another encoder; plans stay, since they depend on words alone.

        Args:
            index: The index with the other encoder's vectors.
            encoder: The other encoder.
        """
        halves = [self.choosing, self.test]
        vectors = [encoder.embed_queries([query.text for query in half.queries]) for half in halves]
        choosing, test = (replace(half, vectors=own) for half, own in zip(halves, vectors, strict=True))
        return Searches(index, self.tuning, choosing, test)


def _without_vectors(index: SearchIndex, queries: list[JudgedQuery]) -> Prepared:
    planned = plans([Asked(query.text, query.language) for query in queries], index)
    languages = [plan.language or index.main_language for plan in planned]
    return Prepared(queries, planned, languages, np.zeros((0, 0), np.float32))


def candidate_index(
    live: SearchIndex,
    contents: Sequence[str],
    encoder: SearchEncoder,
    store: Store,
    report: Report,
    config: InferenceConfig,
) -> SearchIndex:
    """Return the published index with its vectors replaced by those of another encoder.

    The vectors are computed as `embed_products` computes them, into its memo. So if the encoder is accepted,
    `embed_products` computes none of them again; and a run that was killed continues with the missing ones.

    Args:
        live: The published index.
        contents: Content hash of each of its products, [products].
        encoder: The other encoder.
        store: The warehouse.
        report: The run's report; it is filled in.
        config: How the vectors are computed.

    Raises:
        Stopped: Some products have no vector; the same command tries them again.
    """
    spec = spec_of(EmbedProductsConfig(engine=encoder.engine, encoder=encoder.used.asked), encoder)
    apart = Report(job=spec.job, run_id=report.run_id)  # its own report: the run counts queries, not products
    put_right = compute_inference(spec, config, store, apart)
    report.engine, report.metrics["products"] = (
        apart.engine,
        {
            "embedded": apart.rows.computed,
            "embedded before": apart.rows.reused,
        },
    )
    report.message = "; ".join(filter(None, [report.message, *put_right]))
    spoken_queries = of_queries(encoder)
    vectors = np.zeros((len(contents), spoken_queries[0]["*"].shape[0]), np.float16)
    if missing := fill_from_memo(store, spec, contents, vectors):
        raise Stopped(f"{missing:,} products have no vector by the trained encoder")
    names, codes = live.languages
    languages = [names[code] for code in codes.tolist()]
    spoken = LanguageVectors(means_of(vectors, languages), *spoken_queries)
    return replace(live, dense=dense_of(vectors, languages, spoken), spoken=spoken)


@dataclass(frozen=True)
class Judgement:
    """The verdict on a trained encoder: whether it may replace the live one.

    Attributes:
        word: The verdict ("above", "not above", "below live" or "cannot tell"; see `quality.verdict`).
        gates: All gates, passed or not.
        sheet: A CSV file with (query, product) rows for people to grade next, and the number of its rows (see
            `quality.to_judge`).
    """

    word: Verdict
    gates: list[Gate]
    sheet: tuple[bytes, int]


def judged(
    config: FinetuneRetrieverConfig, manifest: Manifest, live: Searches, trained: Searches, report: Report
) -> Judgement:
    """Answer the test half with the trained and the live encoder and by BM25, and give the verdict.

    For each encoder, fusion weights are tuned on the same queries, on which neither was trained.

    Args:
        config: Settings of the job.
        manifest: The manifest of the published index.
        live: The queries, prepared for the live encoder.
        trained: The queries of `live`, prepared for the trained encoder.
        report: The run's report; it is filled in.
    """
    test, depth = live.test, config.depth
    baselines = Baselines(live.index, manifest.lexical, [*live.tuning.texts, *test.texts])
    bm25 = tuned(baselines, live.tuning)
    lists = {LIVE: answered(live.index, test, depth)}
    for name, dense, searches in ((CANDIDATE, DENSE, trained), (ALIKE, DENSE_LIVE, live)):
        fusion = tuned_fusion(both_lists(searches.index, searches.choosing), config.min_labelled, "")
        index = replace(searches.index, fusion=fusion or live.index.fusion)
        lists[name] = answered(index, searches.test, depth)
        lists[dense] = [best for best, _ in dense_lists(searches.index, searches.test, depth)]
        report.metrics[f"fusion: {name}"] = index.fusion.model_dump(mode="json")
    lists |= {name: ranked_lists(baselines.made(s), test, depth) for name, s in bm25.items()}
    measures = {name: measured(live.index, test, ranked) for name, ranked in lists.items()}
    baseline = max(bm25, key=lambda name: mean(measures[name].ndcg))  # chosen on the test half, which favours BM25
    word, gates = _verdict(config, test, measures, baseline, report)
    _describe(config, report, test, measures, baseline)
    return Judgement(word, gates, sheet(live.index, test, [lists[CANDIDATE], lists[baseline]]))


def _verdict(
    config: FinetuneRetrieverConfig, test: Prepared, measures: dict[str, Measured], baseline: str, report: Report
) -> tuple[Verdict, list[Gate]]:
    candidate = measures[CANDIDATE]
    known = int((~np.isnan(candidate.ndcg)).sum())
    against = {name: gain(candidate.ndcg, m.ndcg, config.seed) for name, m in measures.items() if name != CANDIDATE}
    live = {name: against[name] for name in (LIVE, ALIKE)}
    evidence = Evidence(known, mean(candidate.unjudged), baseline, against[baseline], live)
    word, gates = verdict(evidence, config.gates, _KEPT)
    by_language = _languages(test, candidate.ndcg, measures[ALIKE].ndcg, config)
    gates += by_language
    if word == "above" and not all(gate.passed for gate in by_language):
        word = "below live"
    if config.gates.better:
        gates.append(better := _better(against[ALIKE]))
        word = "not above" if word == "above" and not better.passed else word
    report.metrics["search"] = {
        "verdict": word,
        "candidate": CANDIDATE,
        "best_bm25": baseline,
        "methods": {name: m.tree(config.seed) for name, m in measures.items()},
        "ndcg_10_against": {name: gap.tree() for name, gap in against.items()},
    }
    report.highlights = {
        "verdict": word,
        "nDCG@10": f"{mean(candidate.ndcg):.3f}",
        f"against {baseline}": _gap(against[baseline]),
        "against the live encoder": _gap(against[ALIKE]),
    }
    return word, gates


def _languages(test: Prepared, candidate: np.ndarray, live: np.ndarray, config: FinetuneRetrieverConfig) -> list[Gate]:
    """Return one gate per query language: none may be significantly worse than with the live encoder.

    A gain in one language does not make up for a loss in another. There are no gates if all queries have one language;
    languages with fewer than FEWEST queries are not checked.
    """
    gates, languages = [], np.asarray(test.languages, object)
    names = sorted(set(test.languages))
    for language in names if len(names) > 1 else ():
        rows = np.flatnonzero((languages == language) & ~np.isnan(candidate))
        if len(rows) < FEWEST:
            continue
        gap = gain(candidate[rows], live[rows], config.seed)
        passed = gap.high >= 0
        what = f"nDCG@10 of the queries in {language} is {_gap(gap)} against the live encoder"
        do = "load judgements in that language, or set a lower encoder.mix"
        detail = explain(passed, what, "shoppers who write it would find less than they do now", do, what)
        gates.append(Gate(f"not below the live encoder, {language}", round(gap.value, 5), 0, passed, detail))
    return gates


def _better(gap: Interval) -> Gate:
    passed = gap.low > 0
    what = f"nDCG@10 is {_gap(gap)} against the live encoder with weights tuned alike"
    why = "a new encoder computes every vector anew, and this one is not surely better"
    do = "load more judgements, or set gates.better=false"
    return Gate("above the live encoder", round(gap.value, 5), 0, passed, explain(passed, what, why, do, what))


def _gap(gap: Interval) -> str:
    return f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"


def _describe(
    config: FinetuneRetrieverConfig, report: Report, test: Prepared, measures: dict[str, Measured], baseline: str
) -> None:
    """Add the slices and the figures to the report."""
    parts = sliced(test, measures[CANDIDATE], measures[baseline], config.seed)
    report.metrics["search"]["slices"] = parts
    report.figures += figures.methods(measures, config.seed)
    report.figures += figures.slices(parts)
    report.figures += figures.won_and_lost(test, measures[CANDIDATE], measures[baseline], baseline, config.listed)


def useful(queries: Sequence[JudgedQuery]) -> int:
    """Return how many queries have at least one useful product."""
    return sum(query.judged.useful > 0 for query in queries)


def contents_of(rows: pa.Table) -> list[str]:
    """Return the content hash of each row of `product_embeddings`, in the order of an index (by `product_id`)."""
    return list(rows.sort_by("product_id")["content_hash"].to_pylist())
