"""Mistakes in the declaration of a stage or a job: a TypeError that names the member, before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.inference.simple_stage import SimpleStage
from shopbatch.inference.spec import MEMBERS, Spec
from shopbatch.inference.stage import BaseStage
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.published import PROVENANCE, rejects_of
from tests.inference import simple, toy


class Words(BaseStage):
    """The least that a stage has to say."""

    content: Any = ("title", "text")
    outputs: Any = simple.OUTPUTS

    def recipe(self) -> Mapping[str, Any]:
        return {"stage": "words", "version": 1}

    def open(self) -> Any:
        return simple.stage().open()


def job(stage: Any) -> Spec:
    return replace(simple.spec(), stage=stage)


def test_a_stage_needs_no_more_than_four_members() -> None:
    spec = job(Words())
    assert spec.stage.engine_kind == "none" and spec.stage.drift_columns is None and spec.stage.stateless
    assert len(spec.recipe) == 16


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("content", (), "names no column"),
        ("content", "text", "expected a tuple of names"),
        ("content", ("text", "texd"), "not in table 'reviews': texd"),
        ("passthrough_columns", ("langauge",), "not in table 'reviews': langauge"),
        ("outputs", {"words": "int32"}, "expected an Arrow schema"),
        ("outputs", pa.schema([]), "at least one column"),
        ("outputs", pa.schema([("words", pa.int32()), ("attempt", pa.int8())]), "of its own named attempt"),
        ("drift_columns", ("length", "length"), "two different columns"),
        ("drift_columns", ("language",), "two different columns"),
        ("drift_columns", ("language", "lenght"), "of 'review_words'"),
        ("recipe", lambda self: ["words"], "must return a mapping"),
        ("recipe", lambda self: {"model": {1, 2}}, "cannot be written as JSON"),
    ],
)
def test_a_wrong_member_is_named(member: str, value: Any, message: str) -> None:
    wrong = type("Wrong", (Words,), {member: value})
    with pytest.raises(TypeError, match=rf"count_words: Wrong\.{member}: .*{message}"):
        job(wrong())


@pytest.mark.parametrize("member", MEMBERS)
def test_a_missing_member_is_named(member: str) -> None:
    whole = {name: getattr(Words(), name) for name in MEMBERS}
    nothing = type("Nothing", (), {name: value for name, value in whole.items() if name != member})
    with pytest.raises(TypeError, match=f"Nothing has no '{member}'"):
        job(nothing())


def test_a_base_stage_without_a_recipe_says_so() -> None:
    class Nameless(BaseStage):
        content, outputs, open = ("text",), simple.OUTPUTS, Words.open

    with pytest.raises(TypeError, match="Nameless has no 'recipe'"):
        job(Nameless())


def test_a_function_without_a_name_names_no_recipe() -> None:
    with pytest.raises(TypeError, match="function: expected a function of a module"):
        SimpleStage(("text",), simple.OUTPUTS, lambda content: content)


def test_the_version_and_the_function_are_the_recipe() -> None:
    assert simple.stage().recipe() == {"stage": "count_words", "version": 1}
    assert simple.spec(version=2).recipe != simple.spec().recipe
    assert simple.spec(drift_columns=None).recipe == simple.spec().recipe


def test_source_and_sink_must_have_one_key_and_the_same() -> None:
    with pytest.raises(TypeError, match="same single key"):
        replace(toy.spec(), source=PRODUCTS)


def test_tables_must_have_the_columns_that_the_machinery_fills() -> None:
    spec = simple.spec()
    bare = replace(spec.sink, columns=tuple(c for c in spec.sink.columns if c.name not in PROVENANCE[:2]))
    with pytest.raises(TypeError, match="sink: table 'review_words' lacks content_hash, recipe"):
        replace(spec, sink=bare)
    more = replace(spec.rejects, columns=(*spec.rejects.columns, spec.sink.columns[1]))
    with pytest.raises(TypeError, match=r"rejects: .*they differ in language"):
        replace(spec, rejects=more)
    assert rejects_of(spec.sink, spec.rejects.meaning, "no_key, empty") == spec.rejects


def test_the_source_columns_that_a_job_reads_at_all() -> None:
    assert toy.spec().columns == ("review_id", "title", "text", "product_id", "language", "created_at")
