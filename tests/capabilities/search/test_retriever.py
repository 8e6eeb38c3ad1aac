"""What finetune_retriever trains on: queries split, clicks added, and hard negatives that nobody finds useful."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.search.index import SearchIndex, make_index
from shopbatch.capabilities.search.plan import Plan
from shopbatch.capabilities.search.quality.queries import JudgedQuery, Prepared
from shopbatch.capabilities.search.retriever.config import FinetuneRetrieverConfig, Gates, PairsConfig
from shopbatch.capabilities.search.retriever.judge import Searches, judged
from shopbatch.capabilities.search.retriever.pairs import Examples, Groups, clicked_queries, judged_by_clicks, numbered
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.evaluation.judged import Judged
from shopbatch.load import load_file
from shopbatch.runs.report import Report
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.tables.search_judgements import SEARCH_JUDGEMENTS
from shopbatch.warehouse.store import Store

# two products of one text, p2 and p3
TITLES = ("red coat", "red coat long", "red scarf", "red scarf", "blue coat", "green coat", "iron kettle", "red kettle")


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    values: dict[str, list[Any]] = {
        "product_id": [f"p{n}" for n in range(len(TITLES))],
        "title": list(TITLES),
        "language": ["en"] * len(TITLES),
    }
    kinds = PRODUCT_EMBEDDINGS.schema()
    columns = {name: pa.array(column, kinds.field(name).type) for name, column in values.items()}
    rows = PRODUCT_EMBEDDINGS.fill(len(TITLES), **columns)
    vectors = np.random.default_rng(0).normal(size=(len(TITLES), 4))
    return make_index(rows, vectors, ({}, {}), LexicalSettings(), FusionSettings())


def query(text: str, **gains: float) -> JudgedQuery:
    return JudgedQuery(text, None, Judged.of({int(name[1:]): gain for name, gain in gains.items()}))


def rows_of(index: SearchIndex, config: PairsConfig, *queries: JudgedQuery) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Examples(index, config, 0).table(numbered(queries), queries).to_pylist()
    return rows


def test_an_example_has_a_product_of_the_grade_and_negatives_that_share_its_words_alone(index: SearchIndex) -> None:
    red = query("red coat", p0=1.0, p1=0.5, p2=0.2, p4=0.0)
    rows = rows_of(index, PairsConfig(grade=0.5, hard=2), red)
    assert {row["texts"][0] for row in rows} == {"red coat", "red coat long"}  # not p2: it is below the grade
    negatives = [text for row in rows for text in row["texts"][1:]]
    # what is useful in the least is no negative, p3 has the same text, and the kettle of iron shares no word
    assert set(negatives) == {"blue coat", "green coat", "red kettle"}
    assert all(len(set(row["texts"])) == 3 for row in rows)
    assert rows == rows_of(index, PairsConfig(grade=0.5, hard=2), red)
    assert rows != rows_of(index, PairsConfig(grade=0.5, hard=2), query("red coat ", p0=1.0, p1=0.5, p2=0.2))
    (one,) = rows_of(index, PairsConfig(grade=0.9, hard=0), red)
    assert one["texts"] == ["red coat"]
    assert len(rows_of(index, PairsConfig(grade=0.5, per_query=1), red)) == 1


def test_products_of_one_text_have_one_number_and_are_useful_together(index: SearchIndex) -> None:
    examples = Examples(index, PairsConfig(), 0)
    assert examples.numbers[2] == examples.numbers[3]
    assert len(set(examples.numbers.tolist())) == len(TITLES) - 1
    scarf, coat = query("scarf", p3=0.1, p0=0.0), query("coat", p0=1.0)
    numbers = numbered([scarf, coat])
    pairs = {(key // len(TITLES), key % len(TITLES)) for key in examples.useful(numbers, [scarf, coat]).tolist()}
    assert pairs == {(numbers["scarf"], examples.numbers[2]), (numbers["coat"], examples.numbers[0])}


def searches(index: SearchIndex, noise: dict[str, float]) -> Searches:
    """Forty queries that choose and eighty of the test half, each after one product; their vectors are that product's
    with some noise by language, and their words stand in no product."""
    dense = index.dense.fine.astype(np.float32)

    def prepared(count: int, seed: int) -> Prepared:
        draw = np.random.default_rng(seed)
        own, languages = draw.integers(0, len(dense), count), ["en" if n % 2 else "de" for n in range(count)]
        every = range(len(dense))
        judged = [Judged.of({p: float(p == product) for p in every}) for product in own.tolist()]
        queries = [JudgedQuery(f"word{seed}x{n}", languages[n], one) for n, one in enumerate(judged)]
        spread = np.array([noise[language] for language in languages], np.float32)
        vectors = dense[own] + spread[:, None] * draw.normal(size=(count, dense.shape[1])).astype(np.float32)
        return Prepared(queries, [Plan(q.text, q.language, None) for q in queries], languages, vectors)

    return Searches(index, prepared(10, 0), prepared(40, 1), prepared(80, 2))


@pytest.mark.parametrize(
    ("trained", "better", "word", "failed"),
    [
        ({"en": 0.1, "de": 0.1}, True, "above", []),
        ({"en": 0.5, "de": 0.5}, True, "not above", ["above the live encoder"]),
        ({"en": 0.5, "de": 0.5}, False, "above", []),
        ({"en": 0.0, "de": 0.7}, True, "below live", ["not below the live encoder, de"]),
    ],
)
def test_a_trained_encoder_must_be_better_and_no_language_worse(
    trained: dict[str, float], better: bool, word: str, failed: list[str]
) -> None:
    draw = np.random.default_rng(0)
    kinds = PRODUCT_EMBEDDINGS.schema()
    columns = {"product_id": [f"p{n:03}" for n in range(200)], "title": ["thing"] * 200, "language": ["en"] * 200}
    arrays = {name: pa.array(column, kinds.field(name).type) for name, column in columns.items()}
    rows = PRODUCT_EMBEDDINGS.fill(200, **arrays)
    index = make_index(rows, draw.normal(size=(200, 12)), ({}, {}), LexicalSettings(), FusionSettings())
    config, report = (
        FinetuneRetrieverConfig(min_labelled=20, gates=Gates(better=better)),
        Report(job="finetune_retriever"),
    )
    manifest: Any = SimpleNamespace(lexical=LexicalSettings())
    live = searches(index, {"en": 0.5, "de": 0.5})
    found = judged(config, manifest, live, searches(index, trained), report)
    assert (found.word, [gate.name for gate in found.gates if not gate.passed]) == (word, failed)
    assert report.metrics["search"]["verdict"] == word


def many(count: int) -> list[JudgedQuery]:
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abcdefghijklmnopqrstuvwxyz"), 7)) for _ in range(2 * count)]
    return [query(f"{first} {second}", p0=1.0) for first, second in zip(words[::2], words[1::2], strict=True)]


def test_no_query_that_judges_or_chooses_is_trained_on_nor_one_like_it() -> None:
    queries = many(600)
    groups = Groups.of(queries)
    texts = [{q.text for q in part} for part in (groups.train, groups.val, groups.test)]
    assert sum(map(len, texts)) == len(set().union(*texts)) == 600
    assert [0.28 < len(part) / 600 < 0.42 for part in texts[:1]] == [True]
    assert {q.text for q in groups.tuning} == texts[0] | texts[1]
    assert 0.22 < len(groups.val) / len(groups.tuning) < 0.38
    # the plural of a query of the test half, of which the hash says that it may be trained on
    like = next(
        q for q in (query(f"{known.text}s", p0=1.0) for known in groups.test) if q.is_tuning and not q.is_choosing
    )
    again = Groups.of([*queries, like])
    assert (again.alike, {q.text for q in again.train}) == (1, texts[0])
    # a query in two languages is one query
    twice = Groups.of([*groups.train[:1], JudgedQuery(groups.train[0].text, "de", Judged.of({1: 1.0}))])
    assert [q.judged.products.tolist() for q in twice.train] == [[0, 1]]


def test_clicks_of_enough_visits_are_pairs_but_never_of_queries_that_judge(
    index: SearchIndex, store: Store, tmp_path: Path
) -> None:
    queries = many(60)
    lines = ["event_id,event_type,occurred_at,query,product_id,session_id"]
    now = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    for known in queries:
        for visit, product in enumerate(["p0", "p0", "p0", "p1", "p1", "unknown"]):
            typed = known.text if visit else known.text.upper()
            lines.append(f"{len(lines)},view,{now},{typed},{product},s{visit}")
        lines.append(f"{len(lines)},view,{now},{known.text},p1,s3")  # the same visit once more
        lines.append(f"{len(lines)},search,{now},{known.text},,s3")
    (tmp_path / "events.csv").write_text("\n".join(lines), "utf-8")
    load_file(store, "events", tmp_path / "events.csv")
    clicked = clicked_queries(store.snapshot("events"), index, 3)
    assert {q.text for q in clicked} == {q.text for q in queries if q.is_tuning and not q.is_choosing}
    assert all(q.judged.products.tolist() == [0] for q in clicked)
    # what people judged is not changed by a click
    judged = query(clicked[0].text, p0=0.0, p2=1.0)
    joined = next(q for q in Groups.of([judged], clicked).train if q.text == judged.text)
    assert dict(zip(joined.judged.products.tolist(), joined.judged.gains.tolist(), strict=True)) == {0: 0.0, 2: 1.0}
    assert len(Groups.of([judged], clicked).train) == len(clicked)


def test_click_judgements_are_trained_on_and_never_choose_or_judge(index: SearchIndex, store: Store) -> None:
    texts = [f"coat number {n}" for n in range(40)]
    kinds, count = SEARCH_JUDGEMENTS.schema(), len(texts)
    values: dict[str, list[Any]] = {"query": texts, "product_id": ["p0"] * count, "source": ["clicks"] * count}
    columns = {name: pa.array(column, kinds.field(name).type) for name, column in values.items()}
    columns["grade"] = pa.array(["0.5"] * count).cast(kinds.field("grade").type)
    zeros = ("attraction", "looks", "shown", "clicked", "purchased")
    columns |= {name: pa.array([0] * count, kinds.field(name).type) for name in zeros}
    rows = SEARCH_JUDGEMENTS.fill(count, run_id=pa.repeat("r", count), **columns)
    store.commit(SEARCH_JUDGEMENTS, [store.write_file(SEARCH_JUDGEMENTS, rows, "r", 0)], "replace", "r")
    clicked = judged_by_clicks(store.snapshot("search_judgements"), index)
    every = [query(text) for text in texts]
    assert {q.text for q in clicked} == {q.text for q in every if q.is_tuning and not q.is_choosing}
    groups = Groups.of([query(clicked[0].text, p0=0.0, p2=1.0)], clicked)
    assert not groups.val and not groups.test
    joined = next(q for q in groups.train if q.text == clicked[0].text)
    assert dict(zip(joined.judged.products.tolist(), joined.judged.gains.tolist(), strict=True)) == {0: 0.0, 2: 1.0}
    assert FinetuneRetrieverConfig().required_tables()[0] == "judgements"
    trained = FinetuneRetrieverConfig(pairs=PairsConfig(judged_clicks=True))
    assert {"judgements", "search_judgements"} <= set(trained.required_tables())
