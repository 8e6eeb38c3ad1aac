"""The guide on a small catalogue as a shop exports it: variants in one row, no currency, sizes in descriptions."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.capabilities.search.filters import facts_of, is_filter, look, mask, unchecked
from shopbatch.capabilities.search.guide.advice import Advice, Guide
from shopbatch.capabilities.search.guide.catalogue import READ, Catalogue, WordRetriever
from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.understand import understand
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary
from shopbatch.sample.boutique import products
from shopbatch.tables.products import PRODUCTS

ROWS: list[dict[str, Any]] = [
    {"product_id": "throw", "title": "Throw", "product_type": "Blanket", "price": Decimal(90),
     "attributes": [("material", "wool"), ("color", "Cream, Red")]},
    {"product_id": "plain", "title": "Picnic", "product_type": "Blanket", "attributes": [("color", "Red")]},
    {"product_id": "dress", "title": "Dress", "product_type": "Dress", "price": Decimal("64.50")},
    {"product_id": "cup", "title": "保温杯", "product_type": "保温杯", "description": "容量500毫升，不锈钢。"},
    {"product_id": "bed", "title": "Dog bed", "product_type": "Dog bed", "tags": ["dog"]},
    {"product_id": "kettle", "title": "Kettle 1200 W", "product_type": "Kettle", "description": "Boils 1 l."},
    {"product_id": "buds", "title": "Buds", "product_type": "Earbuds", "description": "Active noise-cancelling."},
    {"product_id": "wired", "title": "Wired", "product_type": "Headphones", "description": "With a cable."},
    {"product_id": "cover", "title": "Cover", "product_type": "Duvet cover", "category": "Linens & Bedding",
     "attributes": [("size", "140x200, 200x200"), ("material", "linen")]},
    {"product_id": "knit", "title": "Crew", "product_type": "Sweater"},
]  # fmt: skip


def table(*rows: dict[str, Any]) -> pa.Table:
    schema = pa.schema([pa.field(f.name, f.type) for f in PRODUCTS.schema()])
    return pa.Table.from_pylist([dict.fromkeys(PRODUCTS.names) | row for row in rows], schema)


@pytest.fixture(scope="module")
def guide() -> Guide:
    catalogue = Catalogue.of(table(*ROWS).select(READ))
    return Guide(catalogue, WordRetriever(catalogue), k=10)


def shown(guide: Guide, advice: Advice) -> set[str]:
    return {guide.catalogue.ids[pick.ranked.number] for pick in advice.picks}


@pytest.mark.parametrize(
    ("text", "products"),
    [
        ("wool blanket not red", {"throw"}),
        ("blanket not red", {"throw"}),
        ("羊毛毯 不要红色", {"throw"}),
        ("blanket not red and not cream", set()),
        ("dress under 80 dollars", {"dress"}),
        ("dress under 60 dollars", set()),
        ("保温杯 500ml", {"cup"}),
        ("保温杯 500毫升", {"cup"}),
        ("thermos 0.5 l", {"cup"}),
        ("保温杯 300ml", set()),
        ("dog food", set()),
        ("food for a dog", set()),
        ("bed for a dog", {"bed"}),
        ("kettle under 1000 watts", set()),
        ("kettle under 1.5 kW", {"kettle"}),
        ("kettle 900 W", {"kettle"}),  # a rating that is no bound only ranks
        ("电热水壶 1500瓦以内", {"kettle"}),
        ("noise cancelling headphones", {"buds"}),
        ("headphones", {"buds", "wired"}),
        ("linen bedding 200x200", {"cover"}),
        ("bedding 300 x 300", set()),
        ("sweatr", {"knit"}),
    ],
)
def test_what_is_shown(guide: Guide, text: str, products: set[str]) -> None:
    advice = guide.advise(text)
    assert shown(guide, advice) == products
    assert advice.outcome == ("products" if products else "nothing_fits")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain blanket, not red, not cream", "Nothing fits: no product is left without “cream”."),
        ("毯子 不要红色和米色", "没有合适的商品：除去“米色”之后，没有商品了。"),
        ("dress, nothing over 60", "Nothing fits: no product is left after “nothing over 60”."),
        ("dress under 60", "Nothing fits: no product is left after “under 60”."),
        ("dress under 80 dollars",
         "The catalogue states no currency: “under 80 dollars” is held against its prices as they stand."),
        ("连衣裙 80元以内", "目录没有注明币种：按标出的价格比较“80元以内”。"),
        ("kettle under 5 volts", "The catalogue does not say anything about “under 5 volts”."),
        ("waterproof kettle", "No product that fits says “waterproof”."),
        ("dog food", "Nothing fits: no product says “dog food”."),
    ],
)  # fmt: skip
def test_messages_say_what_was_asked_and_not_its_opposite(guide: Guide, text: str, message: str) -> None:
    assert guide.advise(text).message == message


def test_the_reason_names_the_variant_and_the_words_before_the_type(guide: Guide) -> None:
    (pick,) = guide.advise("wool blanket not red").picks
    assert "it comes in “Cream”" in pick.reason and "Red" not in pick.reason
    (pick,) = guide.advise("linen bedding 200x200").picks
    assert "it measures “200x200”" in pick.reason
    assert ("category", "Bedding") in {(e.column, e.text) for e in pick.evidence}
    (pick,) = guide.advise("noise cancelling headphones").picks
    assert {"noise", "cancelling"} <= {e.text for e in pick.evidence}


def test_the_currency_is_unknown_where_no_product_states_one_and_counts_where_one_does(guide: Guide) -> None:
    assert [str(c) for c in guide.advise("dress under 80 dollars").need.unknown] == ["currency=USD"]
    vocabulary = Vocabulary()
    dollars = Constraint("price", "<=", 80.0, currency="USD")
    prices: list[dict[str, Any]] = [{"price": Decimal(5), "currency": "CNY"}, {"price": Decimal(5)}]
    both = mask(table(*prices), [dollars], vocabulary)
    assert both.unknown == () and not both.keep.any()
    bare = facts_of(table(*prices[1:]), vocabulary)
    looked = look(bare, dollars)
    assert looked is not None and looked.allowed.all() and str(unchecked(bare, dollars, True)) == "currency=USD"


def test_a_search_holds_variants_and_watts_as_the_guide_does() -> None:
    rows = table(*ROWS)
    vocabulary = Vocabulary.from_products(rows)
    facts = facts_of(rows, vocabulary)
    wanted = understand("blanket not red", vocabulary).constraints
    looked = look(facts, wanted[0], wanted)
    assert looked is not None and [r["product_id"] for r, a in zip(ROWS, looked.allowed, strict=True) if not a] == [
        "plain"
    ]
    (watts,) = understand("kettle under 1000 watts", vocabulary).constraints
    looked = look(facts, watts)
    assert is_filter(watts) and looked is not None and not looked.allowed[5]


def test_the_examples_of_the_page_are_what_the_guide_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "jobs" / "guide_shoppers.md").read_text("utf-8")
    block = page.split("## Example", 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
    catalogue = Catalogue.of(products(1240).select(READ))
    guide = Guide(catalogue, WordRetriever(catalogue), k=3)
    answers = re.split(r"\n(?=\S)", block.rstrip("\n"))
    assert len(answers) == 4
    for answer in answers:
        first, *said = answer.split("\n")
        text, outcome = re.split(r" {3,}", first)
        advice = guide.advise(text)
        titles = {catalogue.row(p.ranked.number)["title"]: p.reason for p in advice.picks}
        assert advice.outcome == outcome
        for line in said:
            title, *reason = re.split(r" {3,}", line.strip())
            assert titles.get(title) == reason[0] if reason else advice.message == title
