"""How a search is judged: judgements read, baselines and weights tuned, slices, the verdict, and searches in vain."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.index import SearchIndex, make_index
from shopbatch.capabilities.search.lexical import count_terms, weigh
from shopbatch.capabilities.search.plan import Plan
from shopbatch.capabilities.search.product_text import lexical_fields
from shopbatch.capabilities.search.quality.bm25 import Baselines, ranked_lists, tuned
from shopbatch.capabilities.search.quality.config import Gates
from shopbatch.capabilities.search.quality.measure import breaks_conditions, measured
from shopbatch.capabilities.search.quality.queries import JudgedQuery, Prepared, read_judgements
from shopbatch.capabilities.search.quality.slices import length_of, sliced
from shopbatch.capabilities.search.quality.to_judge import sheet
from shopbatch.capabilities.search.quality.traffic import unanswered
from shopbatch.capabilities.search.quality.tuned import with_tuned_weights
from shopbatch.capabilities.search.quality.tuning import SHARES, both_lists, tuned_fusion
from shopbatch.capabilities.search.quality.verdict import Evidence, verdict
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.judged import Judged, list_quality
from shopbatch.tables.events import EVENTS
from shopbatch.tables.judgements import JUDGEMENTS
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.tables.search_quality import SEARCH_QUALITY
from shopbatch.warehouse.store import Store

WORDS = ("red", "blue", "coats", "coat", "kettle", "iron", "lamp", "TN-2110", "chairs", "chair")
DIM = 16


def columns(kinds: pa.Schema, values: dict[str, list[Any]]) -> dict[str, pa.Array]:
    return {name: pa.array(column, kinds.field(name).type) for name, column in values.items()}


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    """A hundred and twenty products of random words, a quarter of them German."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(WORDS, 4)) for _ in range(120)]
    values = {
        "product_id": [f"p{n:03}" for n in range(120)],
        "title": texts,
        "description": [" ".join(draw.choice(WORDS, 6)) for _ in range(120)],
        "language": ["de" if n % 4 == 0 else "en" for n in range(120)],
        "brand": ["Acme" if n % 3 else "Other" for n in range(120)],
    }
    rows = PRODUCT_EMBEDDINGS.fill(120, **columns(PRODUCT_EMBEDDINGS.schema(), values))
    return make_index(rows, draw.normal(size=(120, DIM)), ({}, {}), LexicalSettings(), FusionSettings(depth=40))


def judged_rows(*rows: tuple[str, str, float, str | None, str]) -> pa.Table:
    names = ("query", "product_id", "grade", "language", "source")
    kinds = JUDGEMENTS.schema()
    cells = dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))
    arrays = columns(kinds, {n: v for n, v in cells.items() if n != "grade"})
    arrays["grade"] = pa.array([str(g) for g in cells["grade"]]).cast(kinds.field("grade").type)
    return JUDGEMENTS.fill(len(rows), **arrays)


def prepared(index: SearchIndex, count: int = 30) -> Prepared:
    """Random queries with random judgements, by turns in two languages."""
    draw = np.random.default_rng(1)
    queries = []
    for n in range(count):
        gains = {int(p): float(draw.integers(0, 3)) for p in draw.choice(120, 25, replace=False)}
        queries.append(JudgedQuery(" ".join(draw.choice(WORDS, 2)) + f" {n}", None, Judged.of(gains)))
    plans = [Plan(query.text, None, None) for query in queries]
    languages = ["en" if n % 2 else "de" for n in range(count)]
    return Prepared(queries, plans, languages, draw.normal(size=(count, DIM)).astype(np.float32))


def test_grades_are_scaled_by_source_and_averaged_and_strangers_are_counted(index: SearchIndex) -> None:
    rows = judged_rows(
        ("coat", "p001", 3, None, "a"), ("coat", "p002", 1.5, None, "a"), (" coat", "p001", 5, None, "b"),
        ("coat", "p003", 10, None, "b"), ("coat", "nowhere", 3, None, "a"), ("lamp", "p004", 0, "en", "a"),
        ("la\u200bmp", "p004", 1, None, "a"),
    )  # fmt: skip
    queries, counts = read_judgements(rows, index, ())
    by_text = {query.text: query for query in queries}
    coat = dict(zip(by_text["coat"].judged.products.tolist(), by_text["coat"].judged.gains.tolist(), strict=True))
    assert coat == pytest.approx({1: (1 + 0.5) / 2, 2: 0.5, 3: 1.0})
    assert by_text["lamp"].language == "en"
    assert (by_text["coat"].source, by_text["lamp"].source) == ("a", "a")
    assert counts == {
        "judgements": 7,
        "of products that are not in the index": 1,
        "queries": 2,
        "queries that no search can answer": 1,
        "queries without a useful product": 1,
    }
    only, _ = read_judgements(rows, index, ("b",))
    assert [q.judged.gains.tolist() for q in only] == [[0.5, 1.0]]


def test_halves_are_of_about_the_same_size_and_depend_on_the_text_alone() -> None:
    queries = [JudgedQuery(f"query {n}", None, Judged.of({})) for n in range(1000)]
    assert 440 < sum(query.is_tuning for query in queries) < 560
    again = JudgedQuery("query 7", "en", Judged.of({3: 1.0}))
    assert again.is_tuning == queries[7].is_tuning


def test_a_bm25_of_the_queries_terms_ranks_as_one_of_all_terms(index: SearchIndex) -> None:
    asked = prepared(index)
    settings = LexicalSettings(k1=1.2, b=0.6, fields={"title": 1.0, "description": 0.5}, kinds=(1, 0.5, 1, 1, 1))
    whole = weigh(count_terms(lexical_fields(index.products)), settings)
    part = Baselines(index, LexicalSettings(), asked.texts).made(settings)
    assert len(part.vocabulary) < len(whole.vocabulary)
    for one, other in zip(ranked_lists(part, asked, 50), ranked_lists(whole, asked, 50), strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_bm25_is_the_best_of_its_grid(index: SearchIndex) -> None:
    asked = prepared(index)
    baselines = Baselines(index, LexicalSettings(), asked.texts)
    best = tuned(baselines, asked)
    assert list(best) == ["BM25 of words", "BM25 of stems", "BM25 of all terms"]

    def quality(settings: LexicalSettings) -> float:
        lists = ranked_lists(baselines.made(settings), asked, 10)
        return float(np.mean([list_quality(r, q.judged).ndcg for r, q in zip(lists, asked.queries, strict=True)]))

    for name, settings in best.items():
        assert settings.kinds == baselines.families[name]
        others = [settings.model_copy(update={"k1": k1, "b": b}) for k1 in (0.2, 1.2, 2.0) for b in (0.0, 0.3, 0.9)]
        assert quality(settings) >= max(map(quality, others))
    assert tuned(baselines, asked.first(0))["BM25 of stems"].k1 == LexicalSettings().k1
    assert len(baselines.field_weights) == 3  # no brand of the products stands in a query


def test_the_tuned_shares_are_the_best_of_all_and_too_few_labels_tune_nothing(index: SearchIndex) -> None:
    asked = prepared(index)
    lists = both_lists(index, asked)
    rows = np.arange(len(asked.queries))
    fusion = tuned_fusion(lists, len(rows), "7")
    assert fusion is not None
    assert (fusion.method, fusion.queries, fusion.judgements) == ("convex", 30, "7")
    assert set(fusion.dense) == {"*"}
    every = [lists.quality(FusionSettings(method="convex", dense={"*": s}, depth=40), rows) for s in SHARES]
    assert lists.quality(fusion, rows) == pytest.approx(max(every))
    assert tuned_fusion(lists, len(rows) + 1, "7") is None
    pairs = tuned_fusion(lists, 10, "7")
    assert pairs is not None
    assert set(pairs.dense) == {"*", "de-*", "en-*", "de-de", "de-en", "en-de", "en-en"}
    assert lists.quality(pairs, rows) > lists.quality(fusion, rows)


def test_a_fusion_of_cached_lists_ranks_as_the_search_does(index: SearchIndex) -> None:
    from dataclasses import replace

    asked = prepared(index)
    fusion = FusionSettings(method="convex", depth=40, dense={"*": 0.3, "de-*": 0.6, "en-de": 0.9})
    ranked = replace(index, fusion=fusion).search(
        index.lexical.look_up(asked.texts), asked.vectors, asked.languages, [None] * 30, 10
    )
    expected = np.nanmean([list_quality(r.products, q.judged).ndcg for r, q in zip(ranked, asked.queries, strict=True)])
    assert both_lists(index, asked).quality(fusion, np.arange(30)) == pytest.approx(expected)


def test_violations_are_counted_from_the_products_and_not_from_the_mask(index: SearchIndex) -> None:
    wrong = Plan("coat", "en", np.ones(120, bool), ("brand=Acme",))  # a mask that lets everything through
    np.testing.assert_array_equal(breaks_conditions(index, wrong, np.array([3, 4, 6])), [True, False, True])
    query = JudgedQuery("coat", None, Judged.of({4: 1.0}))
    asked = Prepared([query, query], [wrong, Plan("coat", "en", None)], ["en", "en"], np.zeros((2, DIM), np.float32))
    lists = [np.array([3, 4, 6]), np.array([3, 4, 6])]
    assert measured(index, asked, lists).broken.tolist() == [2, 0]
    assert measured(index, asked, lists, lambda *a: np.ones(len(a[2]), bool)).broken.tolist() == [3, 0]


def test_slices(index: SearchIndex) -> None:
    asked = prepared(index)
    good = measured(index, asked, [q.judged.products[np.argsort(-q.judged.gains)] for q in asked.queries])
    bad = measured(index, asked, [np.zeros(0, np.int64)] * 30)
    parts = sliced(asked, good, bad, 0)
    assert {name: part["n"] for name, part in parts.items()} == {
        "language de": 15, "language en": 15, "2-3 words": 30, "without conditions": 30,
    }  # fmt: skip
    assert parts["language de"]["against_bm25"]["value"] == pytest.approx(1)
    assert bad.tree(0)["zero_results"] == 30


@pytest.mark.parametrize(
    ("text", "length"),
    [("coat", "1 word"), ("羽绒", "1 word"), ("羽绒服", "2-3 words"), ("red coat", "2-3 words"),
     ("冬天穿的羽绒服", "4-5 words"), ("a b c d e f", "6 words or more")],
)  # fmt: skip
def test_length(text: str, length: str) -> None:
    assert length_of(text) == length


UP, FLAT, DOWN = Interval(0.03, 0.01, 0.05), Interval(0.01, -0.01, 0.03), Interval(-0.02, -0.03, -0.01)


@pytest.mark.parametrize(
    ("above", "live", "unjudged", "queries", "expected"),
    [
        (UP, FLAT, 0.4, 100, "above"),
        (FLAT, UP, 0.1, 100, "not above"),
        (Interval(0.01, 0.0, 0.03), UP, 0.1, 100, "not above"),
        (UP, DOWN, 0.1, 100, "below live"),
        (UP, Interval(-0.006, -0.02, 0.01), 0.1, 100, "below live"),
        (UP, Interval(-0.004, -0.02, 0.01), 0.1, 100, "above"),
        (UP, Interval(-0.001, -0.002, -0.0001), 0.1, 100, "below live"),
        (FLAT, DOWN, 0.1, 100, "below live"),
        (UP, FLAT, 0.41, 100, "cannot tell"),
        (FLAT, DOWN, 0.41, 100, "cannot tell"),
        (UP, FLAT, 0.1, 29, "cannot tell"),
        (UP, FLAT, float("nan"), 100, "cannot tell"),
        (Interval(*[float("nan")] * 3), FLAT, 0.1, 100, "not above"),
    ],
)
def test_the_verdict(above: Interval, live: Interval, unjudged: float, queries: int, expected: str) -> None:
    word, gates = verdict(Evidence(queries, unjudged, "BM25 of stems", above, {"what is live": live}), Gates())
    assert word == expected
    assert all(gate.passed for gate in gates) == (expected == "above")


def put(store: Store, metadata: dict[str, Any]) -> None:
    rows = SEARCH_QUALITY.schema().empty_table()
    run = f"run{len(metadata)}{id(metadata)}"
    store.commit(SEARCH_QUALITY, [store.write_file(SEARCH_QUALITY, rows, run, 0)], "replace", run, metadata)


def test_weights_are_taken_for_the_index_that_they_were_tuned_for(store: Store) -> None:
    config = EmbedProductsConfig.model_validate({"engine": {"kind": "fake", "dim": 8}, "encoder": "e"})
    assert with_tuned_weights(config, store) is config
    fusion = {"method": "convex", "dense": {"*": 0.2}, "depth": 1000, "queries": 120, "judgements": "3"}
    kept = {
        "fusion": fusion,
        "encoder": {"asked": "e", "engine": config.engine.identity()},
        "lexical": config.lexical.model_dump(mode="json"),
    }
    put(store, {"tuned": kept})
    assert with_tuned_weights(config, store).fusion == FusionSettings.model_validate(fusion)
    others = [
        config.model_copy(update={"fusion": FusionSettings(method="convex", dense={"*": 0.9})}),
        config.model_copy(update={"fusion": FusionSettings(dense={"*": 0.9})}),
        config.model_copy(update={"tuned": False}),
        config.model_copy(update={"encoder": "other"}),
        config.model_copy(update={"lexical": LexicalSettings(k1=2)}),
        EmbedProductsConfig.model_validate({"engine": {"kind": "fake", "dim": 9}, "encoder": "e"}),
    ]
    for other in others:
        assert with_tuned_weights(other, store) is other
    put(store, {"tuned": {**kept, "fusion": {"method": "of another version"}}})
    assert with_tuned_weights(config, store) is config


def test_searches_in_vain(store: Store) -> None:
    rows = [
        *(("search", "Down Jacket ", [], f"s{n}", None) for n in range(3)),
        ("search", "down jacket", ["p1"], "s3", None),
        ("view", "down jacket", None, "s3", None),  # a click
        *(("search", "kettle", ["p1", "p2"], f"s{n}", None) for n in range(4)),
        ("view", "kettle", None, "s0", None),
        ("view", "kettle", None, "another visit", None),
        *(("search", "iron", ["p3"], None, f"u{n}") for n in range(3)),
        ("view", "iron", None, None, "u1"),
        ("cart", "iron", None, None, "u0"),
        *(("search", "rare", [], "s1", None) for _ in range(9)),  # one visit: it may say who searched
        ("search", "unknown", None, "s1", None),
        ("search", None, [], "s1", None),
        ("search", "kettle", ["p1"], None, None),  # of an unknown visit: the view may be another one's
        ("view", "kettle", None, None, None),
    ]
    names = ("event_type", "query", "results_shown", "session_id", "user_id")
    values = dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))
    ids = {"event_id": [str(n) for n in range(len(rows))]}
    table = EVENTS.fill(len(rows), **columns(EVENTS.schema(), {**ids, **values}))
    store.commit(EVENTS, [store.write_file(EVENTS, table, "run", 0)], "replace", "run", {})
    found = unanswered(store.snapshot("events"), 10)
    assert (found.searches, found.with_result, found.without_result, found.without_click) == (22, 9, 13, 5)
    assert found.most_without_result == [("down jacket", 3, 0.75)]
    assert found.most_without_click == [("kettle", 3, 0.6), ("iron", 2, pytest.approx(2 / 3))]
    assert unanswered(store.snapshot("events"), 1).most_without_click == [("kettle", 3, 0.6)]
    shown = EVENTS.schema().field("results_shown")
    place = table.schema.get_field_index(shown.name)
    silent = table.set_column(place, shown, pa.nulls(len(rows), shown.type))
    store.commit(EVENTS, [store.write_file(EVENTS, silent, "run2", 0)], "replace", "run2", {})
    assert unanswered(store.snapshot("events"), 1).without_result == 0  # nobody says what was shown


def test_what_is_to_be_judged_is_pooled_and_holds_no_ones_number(index: SearchIndex) -> None:
    queries = [
        JudgedQuery(text, None, Judged.of({4: 1.0})) for text in ("coat", "call 13812345678", "=1+1", "red lamp")
    ]
    asked = Prepared(queries, [Plan(q.text, None, None) for q in queries], ["en"] * 4, np.zeros((4, DIM), np.float32))
    one, other = np.arange(20), np.array([7, 30, 4])
    cells, count = sheet(index, asked, [[one] * 4, [other] * 4])
    read = pl.read_csv(cells, infer_schema=False)
    first = ["p000", "p007", "p001", "p030", "p002", "p003", "p005", "p006", "p008", "p009"]
    assert count == len(read) == 20
    assert read["query"].to_list() == ["coat"] * 10 + ["red lamp"] * 10
    assert read["product_id"].to_list() == first * 2
    assert read["title"][1] == index.products["title"][7].as_py()
