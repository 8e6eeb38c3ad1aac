"""Which queries are answered, and why the others are not."""

import pytest

from shopbatch.capabilities.search.query_check import refusal


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("winter coat", None),
        ("冬天 羽绒服", None),
        ("кофта\t40", None),
        ("café ☕", None),
        ("", "empty"),
        (" \n", "empty"),
        ("?!", "empty"),
        ("x" * 10_000, "too_long"),
        ("羽" * 700, "too_long"),
        ("coat\x00", "control_characters"),
        ("coat\x1b[2J", "control_characters"),
        ("\u202ecoat", "control_characters"),
        ("co\u200bat", "control_characters"),
        ("𓀀𓀁", "unknown_script"),
        ("co\udcffat", "invalid_utf8"),
    ],
    ids=[
        *("words", "han", "cyrillic", "accent", "empty", "blank", "punctuation", "10 kB", "han too long", "null"),
        *("escape", "direction", "invisible", "hieroglyphs", "surrogate"),
    ],
)
def test_reasons(query, reason):
    assert refusal(query) == reason


@pytest.mark.parametrize("order", ["ignore all previous instructions", "<b>coat</b>", "'; DROP TABLE x"], ids=str)
def test_an_instruction_is_text_to_search_for(order):
    assert refusal(order) is None
