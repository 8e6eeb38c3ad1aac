"""What the machinery relies on, for every stage of a capability, and for one that is made from a function."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.capabilities.copywriting.ads.run import ad_spec
from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.run import language_specs
from shopbatch.capabilities.copywriting.template import template
from shopbatch.capabilities.images.config import EmbedImagesConfig
from shopbatch.capabilities.images.run import image_spec
from shopbatch.capabilities.insights.config import AnalyseReviewsConfig
from shopbatch.capabilities.insights.run import analyse_spec
from shopbatch.capabilities.moderation.config import ModerateReviewsConfig
from shopbatch.capabilities.moderation.run import moderation_spec
from shopbatch.capabilities.recommendations.recommend.histories import COLUMNS
from shopbatch.capabilities.recommendations.recommend.stage import RecommendStage
from shopbatch.capabilities.search.config import EmbedProductsConfig, SearchProductsConfig
from shopbatch.capabilities.search.guide.stage import GuideStage, Sources
from shopbatch.capabilities.search.rerank.stage import RerankStage
from shopbatch.capabilities.search.run import product_spec
from shopbatch.capabilities.search.search_job import query_spec
from shopbatch.capabilities.search.synonyms import read_synonyms
from shopbatch.capabilities.sentiment.cascade.model import NEVER, Cascade, Step
from shopbatch.capabilities.sentiment.cascade.stage import CascadeStage
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.support.answers.config import AnswerTicketsConfig
from shopbatch.capabilities.support.answers.run import answer_spec, question_spec
from shopbatch.capabilities.translation.config import TranslateProductsConfig, TranslateRepliesConfig
from shopbatch.capabilities.translation.run import product_specs, reply_specs
from shopbatch.core import config
from shopbatch.engines.configs import FakeConfig, TorchConfig
from shopbatch.inference.spec import RESERVED, Spec
from shopbatch.runs.report import Report
from shopbatch.sample import boutique
from shopbatch.tables.guided_products import GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS, REQUESTS_WITH_HISTORY
from shopbatch.tables.pair_scores import PAIR_SCORES, PAIR_SCORES_REJECTS, RERANK_PAIRS
from shopbatch.tables.published import PROVENANCE
from shopbatch.tables.recommendations import RECOMMENDATIONS, RECOMMENDATIONS_REJECTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS as REVIEWS_TABLE
from shopbatch.tables.shopper_requests import SHOPPER_REQUESTS
from shopbatch.tables.user_sequences import USER_SEQUENCES
from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations import shelf
from tests.engines import tiny_pairs
from tests.inference import simple, toy

Content = dict[str, Any]
BAD = b"caf\xe9 \xff"  # Latin-1, which is not valid UTF-8


@dataclass(frozen=True)
class Case:
    """A stage's job, content that can be scored, and (where the fake engine gives none) outputs that pass the judge."""

    spec: Callable[[], Spec]
    rows: list[Content]
    passing: dict[str, list[Any]] | None = None


@lru_cache
def cascade() -> Spec:
    """A small model that is sure of some reviews, then a large one."""
    folder, engine = mkdtemp(), FakeConfig()
    SentimentHead.fake().save(Path(folder))
    step = Step(model="sentiment@0", bounds={"other": NEVER, "en": 0.5, "zh": 0.5}, doubt=0.01)
    Cascade(steps=(step,), large="sentiment@1").save(Path(folder))
    stage = CascadeStage(engine, "", "", {"head": "1"}, cascade=folder, small=(("", folder),))
    return Spec("score_reviews", REVIEWS_TABLE, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)


def description() -> Spec:
    settings = config.load(Config, "describe_products", "local", ["engine.kind=fake"])
    return language_specs(settings, Store("/nowhere"), Report(job="describe_products"))[0].spec


def ads() -> Spec:
    settings = config.load(WriteAdsConfig, "write_ads", "local", [])
    return ad_spec(settings, Store("/nowhere"), Report(job="write_ads"))


@lru_cache
def recommendations() -> Spec:
    """The list `discover` of three users."""
    model = mkdtemp()
    ids = [p["product_id"] for p in shelf.catalogue()]
    shelf.fit(shelf.drawn(20), ids).save(Path(model))
    every, none = np.ones(len(ids), bool), np.zeros(len(ids), bool)
    stage = RecommendStage(model, "digest", "discover", 10, 100, "rules", shelf.shop_of(every, none))
    tables = USER_SEQUENCES, stage, RECOMMENDATIONS, RECOMMENDATIONS_REJECTS
    return Spec("recommend_products", *tables, {"list": "discover"})


histories = shelf.content(shelf.drawn(3))


def search_specs() -> list[Spec]:
    settings = config.load(EmbedProductsConfig, "embed_products", "local", ["engine={kind: fake}"])
    store = Store("/nowhere")
    spec, encoder = product_spec(settings, store, Report(job="embed_products"), read_synonyms(store))
    return [spec, query_spec(config.load(SearchProductsConfig, "search_products", "local", []), encoder)]


def aspects() -> Spec:
    settings = config.load(AnalyseReviewsConfig, "analyse_reviews", "local", ["engine={kind: fake}"])
    return analyse_spec(settings, Store("/nowhere"), Report(job="analyse_reviews"))


def moderation(engine: dict[str, str] | None) -> Spec:
    settings = ModerateReviewsConfig.model_validate({"engine": engine})
    return moderation_spec(settings, Store("/nowhere"), Report(job="moderate_reviews"))


def pictures() -> Spec:
    settings = config.load(EmbedImagesConfig, "embed_images", "local", ["engine={kind: fake}"])
    return image_spec(settings, Store("/nowhere"), Report(job="embed_images"))


class Shelf:
    """A catalogue for the guide, without a warehouse."""

    table_id, version, uri = "shelf", 1, "nowhere"

    def read(self, columns: list[str]) -> pa.Table:
        return boutique.products(62).select(columns)


def guide() -> Spec:
    stage = GuideStage(Sources(Shelf()))  # type: ignore[arg-type]
    return Spec("guide_shoppers", SHOPPER_REQUESTS, stage, GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS)


def guide_with_history() -> Spec:
    stage = GuideStage(Sources(Shelf()), margin=0.1)  # type: ignore[arg-type]
    return Spec("guide_shoppers", REQUESTS_WITH_HISTORY, stage, GUIDED_PRODUCTS, GUIDED_PRODUCTS_REJECTS)


@lru_cache
def cross_encoder() -> str:
    return str(tiny_pairs.build(Path(mkdtemp()) / "cross"))


def pairs() -> Spec:
    stage = RerankStage(TorchConfig(max_tokens=48), cross_encoder(), "tiny")
    return Spec("search_products", RERANK_PAIRS, stage, PAIR_SCORES, PAIR_SCORES_REJECTS, step="rerank")


def ticket_specs() -> list[Spec]:
    settings = config.load(AnswerTicketsConfig, "answer_tickets", "local", ["engine.kind=fake"])
    asking, thresholds = question_spec(settings, Store("/nowhere"), Report(job="answer_tickets"))
    return [asking, answer_spec(settings, Store("/nowhere"), Report(job="answer_tickets"), thresholds)]


TRANSLATING = ["engine={kind: fake}", "encoder={kind: fake}", "attempts=1"]


def product_texts() -> Spec:
    settings = config.load(TranslateProductsConfig, "translate_products", "local", TRANSLATING)
    return product_specs(settings, Store("/nowhere"), Report(job="translate_products"))[0]


def reply_texts() -> Spec:
    settings = config.load(TranslateRepliesConfig, "translate_replies", "local", TRANSLATING)
    return reply_specs(settings, Store("/nowhere"), Report(job="translate_replies"))[0]


PRODUCT: Content = {"title": "Dill Pickles", "department": "GROCERY", "category": "PICKLES", "package_size": "12 OZ"}
MORE: Content = {"title": "Plums", "attributes": [("colour", "blue"), ("origin", None)], "description": "Sweet."}
COPY: dict[str, list[Any]] = {
    "text": [template(PRODUCT)],
    "finish": ["stop"],
    "writer": ["model"],
    "tokens_out": [90],
    "attributes": [json.dumps(PRODUCT)],
}
REVIEWS: list[Content] = [
    {"title": "Nice", "text": "Fits well."},
    {"title": None, "text": "很好"},
    {"title": "", "text": "late"},
]
AD: Content = {
    "occasion": "welcome", "channel": "push", "language": "en", "market": "US", "name": "Dill Pickles", "wording": 1,
    "facts": json.dumps(PRODUCT),
}  # fmt: skip
HARMFUL: list[Content] = [
    {"title": "Nice", "text": "Fits well."},
    {"title": "sh1t", "text": "call me at 555-234-5678"},
    {"title": None, "text": "老板就是个傻 逼"},
]
TEXTS: list[Content] = [
    {"text": "A red coat, 2 sizes", "source_language": "en", "brands": ["Lumo"]},
    {"text": "Un abrigo", "source_language": "es"},
    {"text": "XJ-200", "source_language": "en", "glossary": '{"es": {"XJ": ["XJ", null]}}'},
]
QUERIES: list[Content] = [{"query": "red coat"}, {"query": "羽绒服"}, {"query": "TN-2110"}]
CASES = {
    "sentiment": Case(toy.spec, REVIEWS),
    "sentiment by a cascade": Case(cascade, REVIEWS),
    "aspects": Case(aspects, REVIEWS),
    "moderation": Case(lambda: moderation(None), HARMFUL),
    "moderation_model": Case(lambda: moderation({"kind": "fake"}), HARMFUL),
    "description": Case(description, [PRODUCT, PRODUCT | MORE, {"title": "Jar"}], COPY),
    "ads": Case(ads, [AD, AD | {"channel": "sms"}, AD | {"occasion": "return"}]),
    "recommendations": Case(recommendations, [{n: histories[n][i].as_py() for n in COLUMNS} for i in range(3)]),
    "products": Case(lambda: search_specs()[0], [PRODUCT, PRODUCT | MORE, {"title": "羽绒服"}]),
    "queries": Case(lambda: search_specs()[1], QUERIES),
    "requests": Case(guide, [{"text": "red scarf"}, {"text": "羽绒服"}, {"text": "a gift"}]),
    "requests with history": Case(
        guide_with_history,
        [{"text": "red scarf", "history": '{"brands": ["acme"]}'}, {"text": "羽绒服", "history": None}],
    ),
    "pairs": Case(pairs, [{"query": "red scarf", "text": "A scarf, red"}, {"query": "羽绒服", "text": "kettle " * 30}]),
    "tickets": Case(lambda: ticket_specs()[0], [{"text": "Where is it? When can I return it?"}, {"subject": "退货"}]),
    "tickets with facts": Case(lambda: ticket_specs()[1], [{"text": "Where is it?", "language": "en"}, {"text": "退"}]),
    "pictures": Case(pictures, [{"picture": b"one"}, {"picture": b"two"}, {"picture": BAD}]),
    "product texts": Case(product_texts, TEXTS),
    "reply texts": Case(reply_texts, TEXTS),
    "simple": Case(simple.spec, REVIEWS),
    "simple without drift": Case(lambda: simple.spec(drift_columns=None), REVIEWS),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def content(spec: Spec, rows: list[Content]) -> pa.Table:
    """The rows as the source has them; bytes stand where text should, whatever they hold."""
    columns = {}
    for name in spec.stage.content:
        kind = next(c.type for c in spec.source.columns if c.name == name)
        if kind.num_fields or not pa.types.is_string(kind):
            columns[name] = pa.array([row.get(name) or None for row in rows], kind)
            continue
        values = [v.encode() if isinstance(v := row.get(name), str) else v for row in rows]
        raw = pa.array(values, pa.binary())
        columns[name] = pa.Array.from_buffers(kind, len(raw), raw.buffers(), raw.null_count)
    return pa.table(columns)


def outputs(spec: Spec, case: Case) -> pa.Table:
    """Raw outputs with `tokens`, in the order of the case's rows, as a worker makes them."""
    scorer, table = spec.stage.open(), content(spec, case.rows)
    parts = [scorer.run(table.take(pa.array(rows)), np.ones(len(rows), np.int8)) for rows in scorer.plan(table)]
    order = np.argsort(np.concatenate(scorer.plan(table)))
    return pa.concat_tables(parts).take(pa.array(order))


def passed(spec: Spec, rows: int) -> pa.Table:
    """Key, passthrough columns and content hash."""
    types = {c.name: c.type for c in spec.source.columns} | {"content_hash": pa.string()}
    names = dict.fromkeys((spec.key, *spec.stage.passthrough_columns, "content_hash"))
    texts = pa.array([f"x{i % 2}" for i in range(rows)], pa.string())
    free = set(names) - {"filters", "facts", "history"}
    is_text = {n: n in free and pa.types.is_string(types[n]) for n in names}
    return pa.table({n: texts if is_text[n] else pa.nulls(rows, types[n]) for n in names})


def raw_of(spec: Spec, case: Case) -> pa.Table:
    """Raw outputs that can be published, as the memo gives them back."""
    if case.passing is not None:
        return pa.table(case.passing, spec.stage.outputs)
    return outputs(spec, case).select(spec.stage.outputs.names).cast(spec.stage.outputs)


def test_a_stage_goes_to_a_worker_and_keeps_its_recipe(case: Case) -> None:
    stage = case.spec().stage
    recipe = stage.recipe()
    assert json.loads(json.dumps(recipe)) == json.loads(json.dumps(case.spec().stage.recipe()))
    twin = pickle.loads(pickle.dumps(stage))  # noqa: S301
    assert json.dumps(twin.recipe(), sort_keys=True) == json.dumps(recipe, sort_keys=True)
    assert twin.outputs.equals(stage.outputs) and twin.content == stage.content and twin.checks == stage.checks
    assert isinstance(stage.engine_kind, str) and stage.engine_kind and stage.gpus >= 0


# Of these a change is noticed in another way: paths of models (by digests), rows that `check` refuses (see
# `Publisher.is_live`), columns (they are part of the content), sizes of calls (they change no result).
ELSEWHERE = {
    *("model", "encoder", "head", "pairs", "cascade", "max_bytes", "max_text", "content", "outputs", "drift_columns"),
    *("passthrough_columns", "passthrough", "call_rows", "entries", "gpus", "stateless", "engine_kind"),
    *("language", "list"),  # the partition
}
OF_MODELS = {"models", "guided", "repair", "plan_from"}  # they change nothing where no model answers


def other(value: Any) -> Any:
    """Another value of the same kind; None for kinds that are not simple."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return (*value, "x")
    if isinstance(value, frozenset):
        return value | {"x"}
    if isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()):
        return {**value, "x": "y"}
    return None


def test_a_setting_that_can_change_a_result_changes_the_recipe_or_the_checks(case: Case) -> None:
    stage: Any = case.spec().stage
    known = ELSEWHERE if "models" in stage.recipe() else ELSEWHERE | OF_MODELS
    for field in fields(stage) if is_dataclass(stage) else ():
        new = None if field.name in known else other(getattr(stage, field.name))
        if new is not None and field.init:
            changed = replace(stage, **{field.name: new})
            named = [(each.recipe(), each.checks, each.limits()) for each in (changed, stage)]
            assert named[0] != named[1], field.name


def test_columns_are_where_the_stage_says(case: Case) -> None:
    spec = case.spec()
    assert {*spec.stage.content, *spec.stage.passthrough_columns} <= set(spec.source.names)
    assert spec.stage.outputs.names and not RESERVED.intersection(spec.stage.outputs.names)
    assert set(spec.columns) <= set(spec.source.names)


def test_check_gives_one_reason_or_none_per_row(case: Case) -> None:
    spec = case.spec()
    odd: dict[str, list[Content]] = {"empty": [{}, dict.fromkeys(spec.stage.content, "")]}
    kinds = {c.name: c.type for c in spec.source.columns}
    if texts := [name for name in spec.stage.content if kinds[name] == pa.string()]:
        odd["too_long"] = [{**case.rows[0], texts[-1]: "x" * 100_001}]
        odd["invalid_utf8"] = [{**case.rows[0], texts[-1]: BAD}]
    table = content(spec, [*case.rows, *(row for rows in odd.values() for row in rows)])
    reasons = pa.array(spec.stage.check(table)).to_pylist()
    assert reasons == [None] * len(case.rows) + [reason for reason, rows in odd.items() for _ in rows]
    chunked = pa.concat_tables([table.slice(0, 2), table.slice(2)])
    assert pa.array(spec.stage.check(chunked)).to_pylist() == reasons


def test_plan_covers_each_row_once_and_outputs_come_in_order(case: Case) -> None:
    spec = case.spec()
    table, raw = content(spec, case.rows), outputs(spec, case)
    planned = np.concatenate(spec.stage.open().plan(table))
    assert sorted(planned.tolist()) == list(range(len(case.rows)))
    assert raw.num_rows == len(case.rows) and raw["tokens"].type == pa.int32()
    assert raw.select(spec.stage.outputs.names).cast(spec.stage.outputs).num_rows == len(case.rows)
    for number in range(len(case.rows)):  # a row's output does not depend on the rows beside it
        alone = spec.stage.open().run(table.slice(number, 1), np.ones(1, np.int8))
        for name in spec.stage.outputs.names:
            own, beside = alone[name].to_pylist(), raw[name].to_pylist()[number : number + 1]
            assert own == beside or own == pytest.approx(beside)


def test_judge_and_publish_give_the_declared_columns(case: Case) -> None:
    spec = case.spec()
    raw = raw_of(spec, case)
    assert pa.array(spec.stage.judge(raw)).to_pylist() == [None] * raw.num_rows
    keys = passed(spec, raw.num_rows)
    assert pa.array(spec.stage.refuse(keys, raw)).to_pylist() == [None] * raw.num_rows
    published = spec.stage.publish(keys, raw)
    made = {*keys.column_names, *published}
    wanted = set(spec.sink.file_schema().names) - {*PROVENANCE, "tokens_in"}
    assert wanted <= made
    for name in wanted & set(published):
        kind = spec.sink.file_schema().field(name).type
        assert len(published[name]) == raw.num_rows and pa.table({"x": published[name]})["x"].cast(kind)
    if spec.stage.drift_columns is not None:
        assert set(spec.stage.drift_columns) <= {*made, *spec.scope}


def test_what_is_limited_is_measured(case: Case) -> None:
    spec = case.spec()
    raw = raw_of(spec, case)
    keys = passed(spec, raw.num_rows)
    table = pa.table({n: keys[n] for n in keys.column_names} | dict(spec.stage.publish(keys, raw)))
    measured, limits = spec.stage.measure(table), spec.stage.limits()
    assert set(limits) <= set(measured)
    assert all(np.isfinite(measured[name]) and measured[name] <= limit for name, limit in limits.items())


def test_an_empty_batch_is_no_special_case(case: Case) -> None:
    spec = case.spec()
    table, scorer = content(spec, []), spec.stage.open()
    assert len(spec.stage.check(table)) == 0
    assert sum(len(rows) for rows in scorer.plan(table)) == 0
    raw = spec.stage.outputs.empty_table()
    assert len(spec.stage.judge(raw)) == len(spec.stage.refuse(passed(spec, 0), raw)) == 0
    assert all(len(column) == 0 for column in spec.stage.publish(passed(spec, 0), raw).values())
