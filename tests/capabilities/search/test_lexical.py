"""Scores beside BM25F written out for one product at a time, masks, and ties."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.search import lexical
from shopbatch.capabilities.search.lexical import count_terms, weigh
from shopbatch.capabilities.search.settings import LexicalSettings
from shopbatch.capabilities.search.terms import CHARACTER, KINDS, STEM, terms_of

pytestmark = pytest.mark.slow

WORDS = ("coat", "coats", "red", "tn-2110", "冬天", "天空", "羽绒服")
TEXT = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
SETTINGS = LexicalSettings(k1=0.7, b=0.4, fields={"title": 1.0, "description": 0.3}, kinds=(0.3, 1.0, 0.5, 1.0, 0.2))


def counted(text):
    return dict(terms_of(pl.Series("text", [text], pl.String)).select("term", "count").iter_rows())


def length(terms):
    return sum(n for term, n in terms.items() if term[0] in (STEM, CHARACTER))


def expected(columns, query, product):
    """The score of one product, from its texts."""
    held = {name: [counted(text) for text in texts] for name, texts in columns.items()}
    size = len(next(iter(columns.values())))
    score = 0.0
    for term, times in counted(query).items():
        frequency = 0.0
        for name, weight in SETTINGS.fields.items():
            lengths = [length(t) for t in held[name]]
            mean = sum(lengths) / max(1, sum(n > 0 for n in lengths))
            if count := held[name][product].get(term, 0):
                share = 1 - SETTINGS.b + SETTINGS.b * length(held[name][product]) / mean
                frequency += weight * count / share
        holders = sum(any(term in held[name][p] for name in columns) for p in range(size))
        if frequency:
            idf = math.log1p((size - holders + 0.5) / (holders + 0.5)) * SETTINGS.kinds[KINDS.index(term[0])]
            score += times * idf * (SETTINGS.k1 + 1) * frequency / (SETTINGS.k1 + frequency)
    return score


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), TEXT, st.data())
def test_the_best_products_are_those_of_bm25f(products, query, data):
    columns = {"title": [t for t, _ in products], "description": [d for _, d in products]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "BLOCK", data.draw(st.integers(1, 4)))
        index = weigh(count_terms({n: pl.Series(n, v, pl.String) for n, v in columns.items()}), SETTINGS)
    scores = [expected(columns, query, p) for p in range(len(products))]
    terms = index.look_up([query])[0]
    np.testing.assert_allclose(index.score(terms), scores, rtol=1e-4, atol=1e-6)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(products), max_size=len(products))))
    k = data.draw(st.integers(1, 7))
    found, of = index.top(terms, k, mask)
    assert set(found) <= set(np.flatnonzero(mask))
    single = index.score(terms)
    wanted = sorted((p for p in np.flatnonzero(mask) if single[p] > 0), key=lambda p: (-single[p], p))[:k]
    assert found.tolist() == wanted
    np.testing.assert_array_equal(of, single[wanted] if wanted else [])


def test_a_character_weighs_more_than_a_pair_and_words_of_no_product_are_said():
    index = weigh(count_terms({"title": pl.Series(["冬天", "天冬", "coat"])}), LexicalSettings())
    found, scores = index.top(index.look_up(["冬天"])[0], 10)
    assert found.tolist() == [0, 1]
    assert scores[1] > 0.6 * scores[0]
    query = index.look_up(["zebra coat"])[0]
    assert query.unknown == ["=zebra", "~zebra"]
    assert query.terms == ["=coat", "~coat"]


def test_nothing_is_found_in_nothing():
    index = weigh(count_terms({"title": pl.Series("title", [], pl.String)}), LexicalSettings())
    assert index.top(index.look_up(["coat"])[0], 5)[0].tolist() == []


@pytest.mark.parametrize("field", ["title", "description"])
def test_a_field_without_weight_finds_nothing(field):
    columns = {"title": pl.Series([""]), "description": pl.Series([""])} | {field: pl.Series(["coat"])}
    index = weigh(count_terms(columns), LexicalSettings(fields={"title": 0.0, "description": 0.0}))
    assert index.top(index.look_up(["coat"])[0], 5)[0].tolist() == []
