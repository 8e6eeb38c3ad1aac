"""A shopper's history in the guide: it reorders what fits equally well, is named in the reason, and no more."""

from __future__ import annotations

import pytest

from shopbatch.capabilities.search.filters import look
from shopbatch.capabilities.search.guide.advice import Advice, Guide, wanted
from shopbatch.capabilities.search.guide.catalogue import READ, Catalogue, WordRetriever
from shopbatch.capabilities.search.guide.history import NONE, History, reordered, size_name
from shopbatch.capabilities.search.understanding.vocabulary import key_of
from shopbatch.sample.boutique import products, queries, requests
from tests.capabilities.search import boutique_truth, planted_set

MARGIN = 0.1


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.of(products(1240).select(READ))


@pytest.fixture(scope="module")
def guide(catalogue: Catalogue) -> Guide:
    return Guide(catalogue, WordRetriever(catalogue), k=4, margin=MARGIN)


@pytest.fixture(scope="module")
def history(catalogue: Catalogue) -> History:
    """Of someone who bought two brands, two sizes, and rather cheap things."""
    brands = sorted({key_of(b) for b in catalogue.products["brand"].to_pylist() if b})
    sizes = frozenset({size_name("sweater", "M"), size_name("boots", "42")})
    return History(sizes, frozenset(brands[::5]), 0.8)


def claims(advice: Advice) -> list[str]:
    words = ("you bought", "you usually pay", "您以前", "您平时")
    return [e.claim for p in advice.picks for e in p.evidence if any(word in e.claim for word in words)]


@pytest.mark.slow
def test_only_products_that_fit_equally_well_change_places(
    catalogue: Catalogue, guide: Guide, history: History
) -> None:
    texts = [row["query"] for row in planted_set.rows("dev.jsonl")]
    texts += [*queries()["query"].to_pylist(), *requests()["text"].to_pylist()]
    moved = shown = 0
    for text in texts:
        usual, ours = guide.advise(text), guide.advise(text, history=history)
        assert (usual.outcome, usual.message, usual.need) == (ours.outcome, ours.message, ours.need)
        known = [c for c in wanted(ours.need) if c not in ours.need.unknown]
        looked = [found for c in known if (found := look(catalogue.facts, c)) is not None]
        for before, now in zip(usual.picks, ours.picks, strict=True):
            pair = (before.ranked.number, now.ranked.number)
            assert len({tuple(bool(found.meets[n]) for found in looked) for n in pair}) == 1
            assert len({bool(catalogue.for_children[n]) for n in pair}) == 1 or any(c.kind == "age" for c in known)
            assert now.ranked.score >= before.ranked.score * (1 - MARGIN) - 1e-6
            moved += pair[0] != pair[1]
            row = dict(catalogue.row(now.ranked.number))
            for c in known:
                if c.kind != "type":
                    assert boutique_truth.meets(row, c.kind, c.op, c.value, c.currency), (c.triple, row["product_id"])
            shown += 1
    assert moved > 40 and shown > 300


def test_what_is_liked_stands_first_and_is_named_with_its_evidence(catalogue: Catalogue, guide: Guide) -> None:
    usual = guide.advise("sweater")
    assert not claims(usual)
    pool = Guide(catalogue, guide.retriever, k=20).advise("sweater").picks
    close = [p for p in pool if p.ranked.score >= pool[0].ranked.score * (1 - MARGIN)]
    liked = next(p for p in reversed(close) if catalogue.row(p.ranked.number)["brand"])
    assert liked.ranked.number not in {p.ranked.number for p in usual.picks[:1]}
    brand = catalogue.row(liked.ranked.number)["brand"]
    ours = guide.advise("sweater", history=History(brands=frozenset({key_of(brand)})))
    first = ours.picks[0]
    assert catalogue.row(first.ranked.number)["brand"] == brand
    assert f"you bought the brand “{brand}” before" in first.reason
    (evidence,) = [e for e in first.evidence if "you bought" in e.claim]
    assert (evidence.column, evidence.start, evidence.text) == ("brand", 0, brand)
    for pick in ours.picks:
        same = key_of(catalogue.row(pick.ranked.number)["brand"] or "") == key_of(brand)
        assert ("you bought the brand" in pick.reason) == same


def test_a_size_or_a_price_level_is_liked(catalogue: Catalogue, guide: Guide) -> None:
    sized = guide.advise("毛衣", history=History(sizes=frozenset({size_name("毛衣", "M")})))
    said = claims(sized)
    assert said and all(claim == "您以前买过“M”码" for claim in said)
    cheap = guide.advise("sweater", history=History(price_level=0.7))
    prices = [p for p in cheap.picks if any("usually pay" in e.claim for e in p.evidence)]
    assert prices
    for pick in prices:
        row = catalogue.row(pick.ranked.number)
        mean = catalogue.mean_prices[(key_of(row["product_type"]), row["currency"])]
        now = row["sale_price"] if row["sale_price"] is not None else row["price"]
        assert 0.7 / 1.25 - 1e-9 <= float(now) / mean <= 0.7 * 1.25 + 1e-9


def test_numbers_of_sizes_are_of_their_type_and_letters_of_all() -> None:
    assert size_name("boots", "42") == ("boots", "42") != size_name("jeans", "42")
    assert size_name("sweater", "XL") == size_name("coat", "XL")


@pytest.mark.parametrize(
    "text", ["a sweater for my wife", "sweater as a birthday gift", "kids sweater", "给妈妈买毛衣", "送给朋友的毛衣"]
)
def test_what_may_be_for_somebody_else_takes_no_history(guide: Guide, history: History, text: str) -> None:
    usual, ours = guide.advise(text), guide.advise(text, history=history)
    assert usual.picks and not claims(ours)
    assert [(p.ranked.number, p.reason) for p in usual.picks] == [(p.ranked.number, p.reason) for p in ours.picks]


def test_what_the_request_says_goes_before_the_history(guide: Guide) -> None:
    ours = guide.advise("sweater size L", history=History(sizes=frozenset({size_name("sweater", "M")})))
    assert ours.picks and not claims(ours)
    ours = guide.advise("sweater under $200", history=History(price_level=1.0))
    assert ours.picks and not claims(ours)


def test_a_history_reads_back_what_it_wrote(history: History) -> None:
    assert History.of(history.text) == history
    assert NONE.text is None and History.of(None) == NONE
    assert History.of(History(brands=frozenset({"b", "a"})).text).brands == {"a", "b"}


def test_groups_end_where_the_fit_or_the_score_does() -> None:
    items = [("a", 10.0, 1), ("b", 9.5, 1), ("c", 8.9, 1), ("d", 8.8, 0), ("e", 8.7, 1)]
    ours = reordered(items, lambda i: i[2], lambda i: i[1], lambda i: (i[0] in "bce",), 0.1)
    assert [i[0] for i in ours] == ["b", "a", "c", "d", "e"]
    twice = reordered(items[:2], lambda i: 0, lambda i: i[1], lambda i: (i[0] == "b", i[0] == "a"), 0.1)
    assert [i[0] for i in twice] == ["b", "a"]
