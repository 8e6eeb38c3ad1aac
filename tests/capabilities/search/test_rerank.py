"""Reranked answers: their order, their conditions, the pairs that are read, and what evaluation asks for."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.search.fusion import Ranked
from shopbatch.capabilities.search.index import SearchIndex, make_index
from shopbatch.capabilities.search.plan import Plan
from shopbatch.capabilities.search.quality.config import EvaluateSearchConfig
from shopbatch.capabilities.search.quality.queries import JudgedQuery, Prepared
from shopbatch.capabilities.search.quality.reranked import helps, reranked_lists
from shopbatch.capabilities.search.rerank.order import reordered
from shopbatch.capabilities.search.rerank.scores import distinct, pairs_of
from shopbatch.capabilities.search.search_job import Target, answer_rows
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.judged import Judged
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS


def test_the_weight_goes_from_the_search_to_the_cross_encoder():
    scores, pairs = np.array([4.0, 3.0, 2.0, 1.0, 0.5]), np.array([0.0, 1.0, 3.0, 2.0])
    assert reordered(scores, pairs, 0.0).places.tolist() == [0, 1, 2, 3, 4]
    assert reordered(scores, pairs, 1.0).places.tolist() == [2, 3, 1, 0, 4]
    # relative scores: 1, 2/3, 1/3, 0 and 0, 1/3, 1, 2/3
    assert reordered(scores, pairs, 0.5).places.tolist() == [2, 0, 1, 3, 4]
    for weight in (0.0, 0.5, 1.0):
        given = reordered(scores, pairs, weight).scores
        assert np.all(np.diff(given) <= 0) and given[3] >= 0 > given[4]


def test_a_product_without_a_score_is_taken_for_the_worst_and_none_is_lost():
    given = reordered(np.array([1.0, 1.0, 1.0]), np.array([2.0, np.nan, 5.0]), 1.0)
    assert given.places.tolist() == [2, 0, 1]
    nothing = reordered(np.array([3.0, 2.0]), np.array([np.nan, np.nan]), 0.5)
    assert nothing.places.tolist() == [0, 1]
    assert reordered(np.zeros(0), np.zeros(0), 0.5).places.tolist() == []


TITLES = ["red coat", "red winter coat", "blue coat", "red kettle", "green lamp", "coat rack", "red coat long"]


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    kinds = PRODUCT_EMBEDDINGS.schema()
    values = {
        "product_id": [f"p{n}" for n in range(len(TITLES))],
        "title": TITLES,
        "language": ["en"] * len(TITLES),
        "price": [Decimal(n) for n in range(len(TITLES))],
    }
    columns = {name: pa.array(column, kinds.field(name).type) for name, column in values.items()}
    vectors = np.random.default_rng(0).normal(size=(len(TITLES), 8))
    rows = PRODUCT_EMBEDDINGS.fill(len(TITLES), **columns)
    return make_index(rows, vectors, ({}, {}), LexicalSettings(), FusionSettings())


def asked(*rows: tuple[str, int | None, str | None]) -> pa.Table:
    vector = np.ones(8, np.float16).tobytes()
    columns: dict[str, list[object]] = {"query_id": [], "query": [], "language": [], "filters": [], "k": []}
    for number, (query, k, filters) in enumerate(rows):
        for name, value in zip(columns, (f"q{number}", query, "en", filters, k), strict=True):
            columns[name].append(value)
    others = {"user_id": pa.nulls(len(rows), pa.string()), "content_hash": pa.array(["x"] * len(rows))}
    typed = {n: pa.array(v, pa.int32() if n == "k" else pa.string()) for n, v in columns.items()}
    return pa.table({**typed, **others, "vector": pa.array([vector] * len(rows), pa.binary())})


def target(depth: int | None, weight: float = 1.0) -> Target:
    return Target("f", "k", "m", "root", "run", 10, False, (depth, weight) if depth is not None else None)


def test_answers_are_reranked_within_their_conditions_and_cut_afterwards(index: SearchIndex) -> None:
    queries = asked(("red coat", None, None), ("coat", 2, "price<3"))
    usual = answer_rows(index, queries, target(None))["products"].to_pylist()
    lists = [np.array([int(hit["product_id"][1:]) for hit in hits[:5]]) for hits in usual[:1]]
    pairs = pairs_of(index, ["red coat"], lists)
    assert pairs["query"].to_pylist() == ["red coat"] * 5
    assert [TITLES.index(text) for text in pairs["text"].to_pylist()] == lists[0].tolist()
    every = pairs_of(index, ["red coat", "coat"], [np.arange(7), np.arange(7)])
    shorter = sorted(zip(every["pair_id"].to_pylist(), every["text"].to_pylist(), strict=True), key=lambda p: len(p[1]))
    scores = {name: -float(place) for place, (name, _) in enumerate(shorter)}  # the shorter, the better
    ours = answer_rows(index, queries, target(5), scores)["products"].to_pylist()
    first = [TITLES[int(hit["product_id"][1:])] for hit in ours[0]]
    assert sorted(map(len, first[:5])) == list(map(len, first[:5]))
    assert first[5:] == [TITLES[int(hit["product_id"][1:])] for hit in usual[0][5:]]
    assert {hit["product_id"] for hit in ours[0]} == {hit["product_id"] for hit in usual[0]}
    # of the three products below 3 the two best by the cross-encoder, though only two were asked for
    assert [TITLES[int(hit["product_id"][1:])] for hit in ours[1]] == ["red coat", "blue coat"]
    again = answer_rows(index, queries, target(5, 0.0), scores)["products"].to_pylist()
    assert [[h["product_id"] for h in hits] for hits in again] == [[h["product_id"] for h in hits] for hits in usual]


def test_a_pair_is_named_by_its_query_and_its_text_alone(index: SearchIndex) -> None:
    pairs = pairs_of(index, ["red coat", "red coat", "coat"], [np.array([0, 1]), np.array([1]), np.array([1])])
    names = pairs["pair_id"].to_pylist()
    assert names[1] == names[2] != names[3] and names[0] != names[1]
    assert distinct(pairs)["pair_id"].to_pylist() == [names[0], names[1], names[3]]


def test_a_judged_search_is_reranked_by_the_same_pairs(index: SearchIndex) -> None:
    queries = [JudgedQuery("red coat", "en", Judged.of({2: 1.0})), JudgedQuery("nothing", "en", Judged.of({0: 1.0}))]
    plans = [Plan(query.text, "en", None) for query in queries]
    test = Prepared(queries, plans, ["en", "en"], np.ones((2, 8), np.float32))
    ranked = [Ranked(np.array([0, 1, 2, 3]), np.array([4.0, 3.0, 2.0, 1.0]), *[np.zeros(4)] * 2), _none()]
    wanted = pairs_of(index, ["red coat"], [np.arange(7)])["pair_id"].to_pylist()

    class Stub:
        def scores(self, pairs: pa.Table, *rest: object) -> dict[str, float]:
            assert pairs["pair_id"].to_pylist() == wanted[:3]
            return {wanted[0]: 0.0, wanted[1]: 1.0, wanted[2]: 2.0}

    config = EvaluateSearchConfig(rerank={"model": "m", "depth": 3, "weight": 1})
    lists = reranked_lists(config, None, None, Stub(), index, (test, ranked))  # type: ignore[arg-type]
    assert [some.tolist() for some in lists] == [[2, 1, 0, 3], []]


def _none() -> Ranked:
    return Ranked(np.zeros(0, np.int64), *[np.zeros(0, np.float32)] * 3)


def test_reranking_must_surely_help() -> None:
    assert helps(Interval(0.02, 0.01, 0.03)).passed
    refused = helps(Interval(0.02, -0.01, 0.05))
    assert not refused.passed and "leave rerank.model out" in refused.detail
