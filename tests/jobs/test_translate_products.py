"""translate_products as a user runs it: only what holds is published, and only what changed is done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from shopbatch.load import load_file
from shopbatch.runs.report import new_run_id
from shopbatch.tables.ads import ADS
from shopbatch.tables.glossary import TRANSLATION_REFERENCES
from shopbatch.tables.product_descriptions import PRODUCT_DESCRIPTIONS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting import writer
from tests.capabilities.translation import dictionary
from tests.jobs.command_line import run_job
from tests.jobs.test_embed_products import killed

pytestmark = pytest.mark.usefixtures("ray_local")
PRODUCTS: list[dict[str, Any]] = [
    {"product_id": "p1", "title": "Steel kettle, 1.7 litres", "brand": "Corvaro", "language": "en"},
    {"product_id": "p2", "title": "Corvaro toaster, 2 slots", "brand": "Corvaro", "description": "It is not a toy."},
    {"product_id": "p3", "title": "Wool blanket, 130 x 170 cm", "language": "en"},
    {"product_id": "p4", "title": "Manta de lana", "language": "es"},
    {"product_id": "p5", "title": "XJ-200", "language": "en"},
    {"product_id": "p6", "title": "Wolldecke aus Schurwolle", "language": "de"},
]
LINES = {
    "Steel kettle, 1.7 litres": "Hervidor de acero, 1,7 litros",
    "⟦0⟧ toaster, 2 slots": "Tostadora ⟦0⟧, 2 ranuras",
    "It is not a toy.": "Es un juguete.",  # wrong in every attempt
    "Wool blanket, ⟦0⟧": "Manta de lana",  # a mask is lost
    "Wool blanket, 130 x 170 cm": "Manta de lana, 130 x 170 cm",  # right as soon as the engine sees the whole
}


def run(store: Store, *arguments: str) -> tuple[int, dict[str, Any], str]:
    settings = ["encoder_model=null", "workers=1", "gates.drift=1", "gates.reject_share=0.5"]
    return run_job(store, "translate_products", *settings, *arguments)


def said(store: Store) -> dict[str, tuple[str, str | None]]:
    rows = pl.read_delta(store.uri("product_translations")).to_dicts()
    return {row["text_id"]: (row["status"], row["translation"]) for row in rows}


def test_what_holds_is_published_and_only_what_changed_is_translated_again(store: Store, tmp_path: Path) -> None:
    writer.put(store, PRODUCTS)
    engine = dictionary.install(tmp_path / "engine", LINES)
    code, report, _ = run(store, *engine)
    assert (code, report["outcome"]) == (0, "published")
    assert said(store) == {
        "title:p1": ("translated", "Hervidor de acero, 1,7 litros"),
        "title:p2": ("translated", "Tostadora Corvaro, 2 ranuras"),
        "description:p2": ("source", None),
        "title:p3": ("translated", "Manta de lana, 130 x 170 cm"),
        "title:p4": ("same", "Manta de lana"),
        "title:p5": ("same", "XJ-200"),
    }
    rows = {row["text_id"]: row for row in pl.read_delta(store.uri("product_translations")).to_dicts()}
    assert rows["description:p2"]["faults"] == ["negation"] and rows["description:p2"]["text"] == "It is not a toy."
    assert (rows["title:p3"]["writer"], rows["title:p1"]["writer"], rows["title:p5"]["writer"]) == (
        "whole",
        "masked",
        "none",
    )
    assert report["rejects"] == {"no_pair": 1}  # German, which is not among the sources
    assert "quality: there are no references, so no chrF" in report["metrics"]["not_measured"]["en-es"]
    assert report["metrics"]["translations"] == {"en-es": {"translated": 3, "same": 1, "source": 1}}

    calls = dictionary.calls(tmp_path / "engine")
    code, again, _ = run(store, *engine)
    assert (code, again["outcome"], dictionary.calls(tmp_path / "engine")) == (0, "nothing to do", calls)
    (tmp_path / "g.csv").write_text("source_language,target_language,term,translation\nen,es,toy,juguete\n", "utf-8")
    load_file(store, "glossary", str(tmp_path / "g.csv"))
    code, more, _ = run(store, *engine)  # the term stands in one text, which is tried with a mask and without
    assert (code, more["rows"]["reused"], more["rows"]["computed"]) == (0, report["rows"]["distinct"] - 1, 2)


def test_a_run_that_was_killed_is_completed_by_the_next(store: Store, tmp_path: Path) -> None:
    writer.put(store, PRODUCTS)
    engine = dictionary.install(tmp_path / "engine", LINES)
    settings = ("encoder_model=null", "workers=1", "gates.drift=1", "gates.reject_share=0.5", *engine)
    assert killed(store, "texts_written", "translate_products", settings)
    assert "product_texts" not in store.names() and "product_translations" not in store.names()
    code, report, _ = run(store, *engine)
    assert (code, report["outcome"]) == (0, "published")
    assert said(store)["title:p1"] == ("translated", "Hervidor de acero, 1,7 litros") and len(said(store)) == 6


def put_copy(store: Store, row: dict[str, Any]) -> None:
    """Publish one row of English copy."""
    schema, path = PRODUCT_DESCRIPTIONS.file_schema(), "test/part-00000.parquet"
    root = store.uri(PRODUCT_DESCRIPTIONS.name)
    files.write(f"{root}/{path}", pa.Table.from_pylist([row], schema))
    described = files.describe(root, path, schema, {"language": "en"})
    store.commit(PRODUCT_DESCRIPTIONS, [described], "replace", new_run_id())


def test_copy_and_ads_are_translated_and_a_worse_model_is_refused(store: Store, tmp_path: Path) -> None:
    writer.put(store, [PRODUCTS[1] | {"title": None, "description": None}])
    copy = {
        "product_id": "p2", "language": "en", "headline": "Corvaro toaster", "description": "It has 2 slots.",
        "bullets": ["Made of steel"], "evidence": "{}", "tokens_in": 0, "tokens_out": 0, "content_hash": "",
        "recipe": "", "run_id": "",
    }  # fmt: skip
    variant = {
        "variant_id": "a:1",
        "title": None,
        "text": "Corvaro: 2 slots",
        "length": 16,
        "encoding": None,
        "parts": None,
    }
    ad = {
        "ad_id": "a", "segment": "s", "product_id": "p2", "channel": "push", "language": "en", "market": "",
        "occasion": "thanks", "variants": [variant], "writer": "plan", "content_hash": "", "recipe": "", "run_id": "",
    }  # fmt: skip
    put_copy(store, copy | {"scored_at": 0})
    writer.put(store, [ad | {"scored_at": 0}], ADS)
    lines = {
        "⟦0⟧ toaster": "Tostadora ⟦0⟧", "It has 2 slots.": "Tiene 2 ranuras.", "Made of steel": "Hecha de acero",
        "⟦0⟧: 2 slots": "⟦0⟧: 2 ranuras",
    }  # fmt: skip
    pairs = [
        ("Corvaro toaster", "Tostadora Corvaro"),
        ("It has 2 slots.", "Tiene 2 ranuras."),
        ("Made of steel", "Hecha de acero"),
    ]
    known = [
        {"source_language": "en", "target_language": "es", "text": t, "reference": r, "source": ""} for t, r in pairs
    ]
    writer.put(store, known, TRANSLATION_REFERENCES)
    parts = ["parts=[product_descriptions,ads]", "references.fewest=3", "gates.accept_recipe=any"]
    code, report, _ = run(store, *parts, *dictionary.install(tmp_path / "first", lines))
    assert (code, report["outcome"]) == (0, "published")
    assert {text for _, text in said(store).values()} == {
        "Tostadora Corvaro",
        "Tiene 2 ranuras.",
        "Hecha de acero",
        "Corvaro: 2 ranuras",
    }
    assert report["metrics"]["translations"]["en-es"]["chrf"] == 100.0
    worse = lines | {"It has 2 slots.": "Posee 2 aberturas.", "Made of steel": "De metal acerado"}
    before = said(store)
    code, refused, _ = run(store, *parts, *dictionary.install(tmp_path / "second", worse))
    gates = {gate["name"]: gate for gate in refused["gates"]}
    assert (code, refused["outcome"], gates["chrF"]["passed"]) == (3, "refused", False)
    assert said(store) == before
