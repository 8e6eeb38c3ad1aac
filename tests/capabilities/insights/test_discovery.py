"""Themes that are there are found and named; noise has none; and what is found does not depend on the order of rows."""

from __future__ import annotations

import random
from itertools import product

import pytest

from shopbatch.capabilities.insights.config_summary import Discovery
from shopbatch.capabilities.insights.discovery import Theme, find_themes, terms_of
from shopbatch.warehouse.store import Store
from tests.capabilities.insights import shop
from tests.models.canaries import CANARIES, TEXT

pytestmark = pytest.mark.slow

PLANTED = {
    "en": (["gift", "birthday", "sister", "present", "wrapped"], ["smell", "chemical", "glue", "odour", "stinks"]),
    "zh": (["客服", "态度", "回复", "电话"],),
}
WORDS = ["".join(pair) for pair in product("bdfklmnprstvz", "aeiou", "lmnrst", "ao")][::7]
SIGNS = [chr(0x5200 + i) for i in range(60)]


def noise(draw: random.Random) -> str:
    return " ".join(draw.sample(WORDS, 6))


def rows(planted: bool, count: int = 2_000) -> list[shop.Row]:
    draw = random.Random(3)
    out = []
    for i in range(count):
        language = "zh" if i % 2 else "en"
        text = noise(draw) if language == "en" else "".join(draw.sample(SIGNS, 6))
        if planted and draw.random() < 0.4:
            said = draw.sample(draw.choice(PLANTED[language]), 3)
            text = " ".join([*said, draw.choice(WORDS)]) if language == "en" else "".join(said) + text[:2]
        out.append(shop.review(f"r{i}", None, other=[text], language=language))
    return out


def themes(store: Store, found: list[shop.Row], **settings: float) -> list[Theme]:
    shop.fill(store, found)
    config = Discovery.model_validate({"clusters": 16, **settings})
    return find_themes(store.snapshot("review_aspects"), store.snapshot("reviews"), config)


def test_planted_themes_are_found_named_and_quoted(store: Store) -> None:
    found = themes(store, rows(planted=True))
    for language, planted in PLANTED.items():
        for words in planted:
            theme = max((t for t in found if t.language == language), key=lambda t: sum(w in t.name for w in words))
            assert sum(word in theme.name for word in words) >= 2, theme
            assert theme.stability >= 0.6 and theme.clauses >= 30 and theme.reviews >= 30
            assert len(theme.quotes) == 3 and all(sum(w in q.text for w in words) >= 2 for q in theme.quotes)


def test_noise_has_no_theme_and_a_few_clauses_have_none(store: Store) -> None:
    assert themes(store, rows(planted=False)) == []
    assert themes(store, rows(planted=True, count=150)) == []
    assert themes(store, rows(planted=True), clauses=0) == []


def test_the_order_of_rows_changes_nothing_and_the_sample_is_bounded(store: Store) -> None:
    listed = rows(planted=True)
    first = themes(store, listed)
    assert themes(store, listed[::-1]) == first
    few = themes(store, listed, clauses=500)
    assert few and sum(t.clauses for t in few if t.language == "en") <= 600


def test_what_few_people_wrote_names_no_theme_and_personal_data_is_masked(store: Store) -> None:
    listed = rows(planted=True)
    for i in range(0, 400, 2):  # one person's many clauses, and a canary in each
        listed[i] = shop.review(f"r{i}", None, other=[f"smell like chemical glue {TEXT}"], language="en")
    found = themes(store, listed)
    assert found
    for theme in found:
        assert not [c for c in CANARIES if c in str(theme)], theme


def test_terms_have_no_digits() -> None:
    assert terms_of("Call 13812345678 or B2B now!", "en") == ["call", "now"]
    assert terms_of("客服138差", "zh") == ["客服"]
