"""What a query demands holds in every search: nothing is shown that breaks it, and what was read is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.search import stated as stated_module
from shopbatch.capabilities.search.answers import Answer, answers
from shopbatch.capabilities.search.index import SearchIndex, make_index
from shopbatch.capabilities.search.index_files import FOLDER, read_index, read_manifest, stated_before, write_index
from shopbatch.capabilities.search.plan import Asked, plans
from shopbatch.capabilities.search.quality.measure import breaks_conditions
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.capabilities.search.stated import Stated, stated_table, vocabulary_digest
from shopbatch.capabilities.search.synonyms import Synonyms
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary
from shopbatch.sample.boutique import products, queries, requests
from shopbatch.tables.product_embeddings import CATALOGUE, PRODUCT_EMBEDDINGS
from shopbatch.vectors.dense import normalised
from tests.capabilities.search import boutique_truth, planted_set
from tests.capabilities.search.test_index import MANIFEST

DIM = 8


def rows_of(table: pa.Table) -> pa.Table:
    """Products as rows of product_embeddings."""
    kinds = PRODUCT_EMBEDDINGS.schema()
    columns = {name: table[name].combine_chunks().cast(kinds.field(name).type) for name in ("product_id", *CATALOGUE)}
    filled = PRODUCT_EMBEDDINGS.fill(table.num_rows, **columns)
    return filled.take(pa.array(np.argsort(filled["product_id"].to_pylist())))


def index_of(rows: pa.Table) -> SearchIndex:
    vocabulary = Vocabulary.from_products(rows)
    table = stated_table(rows, vocabulary)
    vectors = normalised(np.random.default_rng(0).normal(size=(rows.num_rows, DIM)))
    return make_index(rows, vectors, ({}, {}), LexicalSettings(), FusionSettings(), Stated(vocabulary, lambda: table))


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    return index_of(rows_of(products(1240)))


def ask(index: SearchIndex, *texts: str, k: int = 10, **options: Any) -> list[Answer]:
    vectors = np.random.default_rng(1).normal(size=(len(texts), DIM)).astype(np.float32)
    return answers(index, [Asked(text, **options) for text in texts], vectors, [k] * len(texts))


@pytest.fixture(scope="module")
def answered(index: SearchIndex) -> list[Answer]:
    texts = [row["query"] for part in ("dev.jsonl", "planted_held.jsonl") for row in planted_set.rows(part)]
    texts += [*queries()["query"].to_pylist(), *requests()["text"].to_pylist()]
    return ask(index, *texts)


def test_no_product_is_shown_that_breaks_what_the_query_demands(index: SearchIndex, answered: list[Answer]) -> None:
    rows = index.products.to_pylist()
    checked = negated = 0
    for answer in answered:
        for hit in answer.hits:
            row = rows[hit.number]
            for c in answer.plan.constraints:
                met = boutique_truth.meets(row, c.kind, c.op, c.value, c.currency)
                loose = c.op == "=" and c.kind != "brand" and boutique_truth.attribute(row, c.kind) is None
                loose |= c.kind == "amount"
                checked += 1
                negated += c.op == "!="
                # the message names no query: some of them are held back from whoever writes the rules
                assert met or loose, (c.triple, row["product_id"])
                if not met:
                    assert f"states no {c.kind}" in hit.reason
    assert checked >= 2_000 and negated >= 200


def test_no_product_of_a_query_breaks_it_in_the_eyes_of_the_evaluation(
    index: SearchIndex, answered: list[Answer]
) -> None:
    for answer in answered[:60]:
        shown = np.array([hit.number for hit in answer.hits], np.int64)
        assert not breaks_conditions(index, answer.plan, shown).any()
    everything = np.arange(index.products.num_rows)
    plan = plans([Asked("black dress under 50 dollars")], index)[0]
    assert 0.9 < breaks_conditions(index, plan, everything).mean() < 1  # most of a shop is no such dress
    assert (breaks_conditions(index, plan, everything) == ~plan.mask).all()


def test_a_query_is_searched_for_without_its_price_and_without_what_it_excludes(index: SearchIndex) -> None:
    plan, literal = plans([Asked("wool scarf under 40 dollars, not red")], index)[0], "black scarf under 1 dollar"
    assert [str(c) for c in plan.constraints] == ["material=wool", "price<=40 USD", "colour!=red"]
    assert "40" not in plan.text and "red" not in plan.text.split() and "wool scarf" in plan.text
    assert not ask(index, literal)[0].hits
    assert len(ask(index, literal, literal=True)[0].hits) == 10
    assert plans([Asked(literal, literal=True)], index)[0].mask is None
    assert plans([Asked(literal)], replace(index, stated=None))[0].mask is None


def test_a_filter_of_the_user_and_what_the_query_says_hold_together(index: SearchIndex) -> None:
    answer = ask(index, "scarf, not red", filters=("price<30",))[0]
    assert answer.hits
    for hit in answer.hits:
        row = index.products.slice(hit.number, 1).to_pylist()[0]
        assert float(row["price"]) < 30 and "red" not in row["title"].lower()
        assert "colour!=red" in hit.reason and "price<30" in hit.reason


def test_what_a_catalogue_does_not_state_filters_nothing_and_is_told() -> None:
    kinds = PRODUCT_EMBEDDINGS.schema()
    columns = {"product_id": ["a", "b"], "title": ["blue teapot", "teapot"]}
    rows = PRODUCT_EMBEDDINGS.fill(2, **{n: pa.array(v, kinds.field(n).type) for n, v in columns.items()})
    answer = ask(index_of(rows), "blue teapot for winter under 20")[0]
    assert [str(c) for c in answer.plan.unknown] == ["season=winter", "price<=20"]
    assert [str(c) for c in answer.plan.constraints] == ["colour=blue"]
    assert {hit.product_id: hit.reason.split("; ")[1] for hit in answer.hits} == {
        "a": "colour=blue",
        "b": "states no colour",
    }


def test_an_index_that_is_read_back_demands_the_same(index: SearchIndex, tmp_path: Any) -> None:
    assert index.stated is not None
    name = vocabulary_digest(index.stated.vocabulary)
    write_index(str(tmp_path), MANIFEST.model_copy(update={"stated": name, "products": 1240}), index)
    folder = f"{tmp_path}/{FOLDER}/k"
    again = read_index(folder, read_manifest(folder))
    assert again.stated is not None and vocabulary_digest(again.stated.vocabulary) == name
    texts = ("black dress under 50 dollars", "红色围巾 不要羊毛", "scarf")
    assert [a.hits for a in ask(again, *texts)] == [a.hits for a in ask(index, *texts)]
    assert stated_before(folder, "another") is None and stated_before(f"{tmp_path}/none", name) is None


def test_only_rows_with_other_texts_are_read_again(index: SearchIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(products(1240))
    vocabulary = Vocabulary.from_products(rows)
    read: list[int] = []
    facts_table = stated_module.facts_table

    def counted(some: pa.Table, names: Vocabulary) -> pa.Table:
        read.append(some.num_rows)
        return facts_table(some, names)

    monkeypatch.setattr(stated_module, "facts_table", counted)
    before = stated_table(rows, vocabulary)
    titles, prices = rows["title"].to_pylist(), rows["price"].to_pylist()
    titles[5] = "green hat"
    table = rows
    for name, values in (("title", titles), ("price", [price + 1 for price in prices])):
        table = table.set_column(
            rows.schema.get_field_index(name), name, pa.array(values, rows.schema.field(name).type)
        )
    after = stated_table(table, vocabulary, before)
    assert read[1:] == [1]
    assert after.drop_columns("row_hash").equals(stated_table(table, vocabulary).drop_columns("row_hash"))
    assert after["price"].to_pylist() != before["price"].to_pylist()
    nothing = stated_table(rows.slice(0, 0), vocabulary, before)
    assert nothing.num_rows == 0 and stated_table(rows.slice(0, 0), vocabulary).num_rows == 0


SYNONYMS = pa.table(
    {
        "language": ["zh", None, None, "en", None],
        "term": ["充电宝", "Sneakers", "U盘", "phone cases", "..."],
        "synonym": ["power bank", "trainers", "usb stick", "mobile cover", "nothing"],
    }
)


@pytest.mark.parametrize(
    ("text", "language", "synonyms"),
    [
        ("便宜的充电宝", "zh", ("power bank",)),
        ("充电宝", "ja", ()),
        ("充电", "zh", ()),
        ("red sneaker, size 5", None, ("trainers",)),
        ("sneakersnake", None, ()),
        ("kingston u盘 sneakers", "zh", ("usb stick", "trainers")),
        ("u 32", "en", ()),
        ("an iphone phone case", "en", ("mobile cover",)),
        ("case of a phone", "en", ()),
        ("", None, ()),
    ],
)
def test_synonyms_of_a_query(text: str, language: str | None, synonyms: tuple[str, ...]) -> None:
    assert Synonyms(SYNONYMS).of(text, language) == synonyms


def test_a_synonym_finds_what_the_query_does_not_say_and_the_reason_names_it(index: SearchIndex) -> None:
    other = replace(index, synonyms=Synonyms(pa.table({"language": ["en"], "term": ["muffler"], "synonym": ["scarf"]})))
    before, after = ask(index, "muffler", language="en")[0], ask(other, "muffler", language="en")[0]
    assert all(hit.lexical is None for hit in before.hits)
    scarfs = [hit for hit in after.hits if hit.lexical is not None]
    assert scarfs and all("says scarf" in hit.reason for hit in scarfs)
    assert after.plan.synonyms == ("scarf",)
    assert ask(other, "muffler", language="en", literal=True)[0].plan.synonyms == ()
