"""Reviews are cut where one thing ends and another begins, and every place is exact."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shopbatch.capabilities.insights.clauses import MAX_CHARACTERS, review_clauses, split
from shopbatch.capabilities.insights.remarks import remarks

PIECES = (
    "good",
    "but",
    "the fit is off",
    "，",
    ",",
    "。",
    "但是",
    "很好",
    "5.5",
    "e.g.",
    "!",
    "...",
    "\n",
    " ",
    "(",
    "😀",
    "é",
    "x" * 300,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "The food was great but the service was slow, and the waiter was rude to everyone at our table.",
            ["The food was great", "but the service was slow", "and the waiter was rude to everyone at our table."],
        ),
        ("房间很大，服务也好，但是早餐很差。价格还可以", ["房间很大", "服务也好", "但是早餐很差。", "价格还可以"]),
        ("Soft, comfortable, warm. Size 5.5 fits!", ["Soft, comfortable, warm.", "Size 5.5 fits!"]),
        ("see www.shop.com or ask Dr. Who today", ["see www.shop.com or ask Dr. Who today"]),
        ("I took a medium (my usual size is small)", ["I took a medium", "(my usual size is small)"]),
        ("I love it.It fits", ["I love it.", "It fits"]),
        ("很好，尺码刚好", ["很好，尺码刚好"]),
        (" 。！ ", []),
        ("x", ["x"]),
    ],
)
def test_clauses(text: str, parts: list[str]) -> None:
    assert [text[a:b] for a, b in split(text)] == parts


@given(st.one_of(st.text(max_size=400), st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join)))
@example("".join(PIECES))
def test_places_are_exact_in_order_and_miss_no_letter(text: str) -> None:
    spans = split(text)
    assert all(0 <= a < b <= len(text) and b - a <= MAX_CHARACTERS for a, b in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    for a, b in spans:
        assert text[a:b].strip() == text[a:b] and any(c.isalnum() for c in text[a:b])
    left = text
    for a, b in reversed(spans):
        left = left[:a] + left[b:]
    assert not any((c.isalpha() and c.isascii()) or "\u4e00" <= c <= "\u9fff" for c in left)


def test_title_and_text_have_places_of_their_own() -> None:
    found = review_clauses("Runs small", "😀 Lovely colour.")
    assert [(c.column, c.start, c.end, c.text) for c in found] == [
        ("title", 0, 10, "Runs small"),
        ("text", 0, 16, "😀 Lovely colour."),
    ]
    assert review_clauses(None, None) == []


@pytest.mark.parametrize(
    ("clause", "kinds"),
    [
        ("I wish it came in petite", ["wish"]),
        ("要是能再便宜点就好了", ["wish"]),
        ("much softer than my old one", ["comparison"]),
        ("比上次那家好", ["comparison"]),
        ("价格比较便宜", []),
        ("I wore it to a wedding", ["usage"]),
        ("适合出差用", ["usage"]),
        ("the wishbone print is blue", []),
    ],
)
def test_remarks(clause: str, kinds: list[str]) -> None:
    assert remarks(clause) == kinds
