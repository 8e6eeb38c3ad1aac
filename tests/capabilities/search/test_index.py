"""The index in memory and as files: the same answers, damage is seen, and what a reader holds stays."""

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.search.answers import answers, matched_words
from shopbatch.capabilities.search.index import make_index
from shopbatch.capabilities.search.index_files import (
    FOLDER,
    FORMAT,
    LEASE_SECONDS,
    EncoderUsed,
    Manifest,
    delete_old,
    is_whole,
    lease,
    read_index,
    read_manifest,
    write_index,
)
from shopbatch.capabilities.search.language_vectors import LanguageVectors, centred, learnt, means_of, reference_queries
from shopbatch.capabilities.search.plan import Asked
from shopbatch.capabilities.search.settings import FusionSettings, LexicalSettings
from shopbatch.core.errors import UserError
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.vectors.dense import normalised
from shopbatch.vectors.lists import make_lists
from tests.warehouse.rot import flip

TITLES = ["Red winter coat", "Blue summer dress", "羽绒服 冬天", "Toner TN-2110", "Kettle", "Red kettle"]
LANGUAGES = ["en", "en", "zh", "en", "en", "en"]
MANIFEST = Manifest(
    format=FORMAT,
    key="k",
    recipe="r",
    encoder=EncoderUsed(engine={"kind": "fake"}, digest="fake", reference="", asked="e", query_prefix=""),
    products=len(TITLES),
    languages={"en": 5, "zh": 1},
    lexical=LexicalSettings(),
    fusion=FusionSettings(),
    stated="",
    files={},
)


@pytest.fixture(scope="module")
def index():
    vectors = normalised(np.random.default_rng(0).normal(size=(len(TITLES), 16)))
    columns = {"product_id": [f"p{n}" for n in range(len(TITLES))], "title": TITLES, "language": LANGUAGES}
    columns["attributes"] = [[("colour", "red")], None, [], None, None, None]
    kinds = PRODUCT_EMBEDDINGS.schema()
    rows = PRODUCT_EMBEDDINGS.fill(len(TITLES), **{n: pa.array(v, kinds.field(n).type) for n, v in columns.items()})
    queries = {"*": vectors.mean(axis=0)}, {"zh-en": np.eye(16, dtype=np.float32)}
    return make_index(rows, vectors, queries, LexicalSettings(), FusionSettings())


def ask(index, text, *filters, k=3):
    vector = np.random.default_rng(1).normal(size=(1, 16)).astype(np.float32)
    return answers(index, [Asked(text, None, filters)], vector, [k])[0].hits


def test_an_index_that_is_read_back_answers_the_same(index, tmp_path):
    write_index(str(tmp_path), MANIFEST, index)
    folder = f"{tmp_path}/{FOLDER}/k"
    again = read_index(folder, read_manifest(folder))
    for text in ("red coat", "冬天", "tn2110", "nothing of it"):
        assert ask(again, text) == ask(index, text)
    assert [hit.product_id for hit in ask(again, "红 TN 2110", k=1)] == ["p3"]
    np.testing.assert_array_equal(again.spoken.maps["zh-en"], np.eye(16))


def test_vectors_in_lists_are_read_back(index, tmp_path):
    lists = replace(make_lists(index.dense.fine, 3, 0), nprobe=2)
    listed = replace(index, dense=replace(index.dense, lists=lists))
    write_index(str(tmp_path), MANIFEST, listed)
    manifest = read_manifest(f"{tmp_path}/{FOLDER}/k")
    again = read_index(f"{tmp_path}/{FOLDER}/k", manifest)
    assert (manifest.nprobe, again.dense.lists.nprobe) == (2, 2)
    assert ask(again, "nothing of it", k=6) == ask(listed, "nothing of it", k=6)
    assert len(ask(again, "nothing of it", k=6)) < len(ask(index, "nothing of it", k=6))  # one list is not read
    (tmp_path / FOLDER / "k" / "members.npy").unlink()
    assert not is_whole(f"{tmp_path}/{FOLDER}/k")


def test_score_parts_and_reasons_say_where_a_product_comes_from(index):
    hits = {hit.product_id: hit for hit in ask(index, "red winter coats", k=6)}
    assert hits["p0"].reason == "says red, winter, coats"
    assert hits["p0"].lexical > hits["p5"].lexical > 0
    assert hits["p4"].lexical is None
    assert hits["p4"].reason == "near in meaning"


def test_filters_hold(index):
    hits = ask(index, "red winter coat", "title~ettle", k=6)
    assert sorted(hit.product_id for hit in hits) == ["p4", "p5"]
    assert hits[0].reason == "says red; title~ettle"
    assert ask(index, "red", "price<5") == []


@pytest.mark.parametrize("change", ["cut", "gone", "manifest"])
def test_damage_is_seen_before_an_answer(index, tmp_path, change):
    write_index(str(tmp_path), MANIFEST, index)
    folder = Path(tmp_path, FOLDER, "k")
    manifest = read_manifest(str(folder))
    if change == "cut":
        os.truncate(folder / "codes.npy", 100)
    elif change == "gone":
        (folder / "terms.parquet").unlink()
    else:
        (folder / "manifest.json").write_text("{", "utf-8")
        with pytest.raises(FileNotFoundError):
            read_manifest(str(folder))
    assert not is_whole(str(folder))
    if change != "manifest":
        with pytest.raises(UserError, match="run embed_products"):
            read_index(str(folder), manifest)
    write_index(str(tmp_path), MANIFEST, index)
    assert is_whole(str(folder))


def test_no_flipped_bit_of_any_file_is_silent(index, tmp_path):
    write_index(str(tmp_path), MANIFEST, index)
    folder = Path(tmp_path, FOLDER, "k")
    manifest = read_manifest(str(folder))
    draw = random.Random(0)
    for name in sorted(manifest.files):
        good = (folder / name).read_bytes()
        flip(folder / name, draw)
        assert not is_whole(str(folder))
        with pytest.raises(UserError, match=f"{name} is damaged"):
            read_index(str(folder), manifest)
        (folder / name).write_bytes(good)
    assert is_whole(str(folder))
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *manifest.files}  # no file is without a sum


def test_an_index_of_another_version_is_one_line(index, tmp_path):
    write_index(str(tmp_path), MANIFEST.model_copy(update={"format": FORMAT + 1}), index)
    with pytest.raises(UserError, match="shopbatch run embed_products"):
        read_manifest(f"{tmp_path}/{FOLDER}/k")


def test_old_indexes_go_unless_a_reader_holds_them(index, tmp_path):
    for key in ("old", "held", "live"):
        write_index(str(tmp_path), MANIFEST.model_copy(update={"key": key}), index)
    with lease(str(tmp_path), "run-1", "held"):
        assert delete_old(str(tmp_path), {"live"}) == ["old"]
        dead = time.time() - LEASE_SECONDS - 10
        os.utime(tmp_path / FOLDER / "_leases" / "run-1.json", (dead, dead))
        assert delete_old(str(tmp_path), {"live"}) == ["held"]
    assert is_whole(f"{tmp_path}/{FOLDER}/live")
    assert delete_old(str(tmp_path), {"live"}) == []


def test_the_mean_of_a_language_is_subtracted_and_few_texts_have_that_of_all():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(130, 8)).astype(np.float32)
    vectors[:60] += 5
    languages = ["zh"] * 60 + ["en"] * 60 + ["fr"] * 10
    means = means_of(vectors, languages)
    assert sorted(means) == ["*", "en", "zh"]
    out = centred(vectors, languages, means)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(out[0], normalised((vectors[0] - vectors[:60].mean(0))[None])[0], rtol=1e-4)
    np.testing.assert_allclose(out[-1], normalised((vectors[-1] - vectors.mean(0))[None])[0], rtol=1e-4)


def test_queries_of_a_language_that_the_catalogue_is_not_in_are_mapped():
    rng = np.random.default_rng(4)
    texts = rng.normal(size=(200, 8))
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]  # one language is the other one, turned
    means, maps = learnt({"en": texts.astype(np.float32), "zh": (texts @ turn).astype(np.float32)})
    spoken = LanguageVectors({"*": np.zeros(8, np.float32)}, means, maps)
    asked = (texts[:5] @ turn).astype(np.float32)
    wanted = centred(texts[:5].astype(np.float32), ["en"] * 5, means)
    mapped = spoken.of_queries(asked, ["zh"] * 5, {"en": 0.95, "zh": 0.05})
    assert ((mapped * wanted).sum(1) > 0.98).all()
    for shares in ({"en": 0.5, "zh": 0.5}, {"zh": 1.0}):
        np.testing.assert_array_equal(spoken.of_queries(asked, ["zh"] * 5, shares), centred(asked, ["zh"] * 5, means))


def test_reference_queries_are_in_every_language_and_enough():
    by_language = reference_queries()
    assert {len(texts) for texts in by_language.values()} == {len(by_language["en"])}
    assert len(by_language["en"]) >= 100
    assert all(len(set(texts)) == len(texts) for texts in by_language.values())


@pytest.mark.parametrize(
    ("text", "terms", "words"),
    [
        ("Red Coats", {"~coat"}, ["coats"]),
        ("冬天羽绒服", {"'冬", "'羽", "'绒"}, ["冬", "羽绒"]),
        ("TN-2110", {"#tn2110"}, ["tn-2110"]),
    ],
    ids=["stem", "han", "code"],
)
def test_matched_words(text, terms, words):
    assert matched_words(text, terms) == words
