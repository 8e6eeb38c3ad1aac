"""Numbers in English words and in Chinese characters, alone and in a sentence."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shopbatch.text.numerals import from_chinese, from_english, from_figures
from shopbatch.text.quantities import money, quantities

ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_english(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ONES[n // 100]} hundred" + (f" and {in_english(n % 100)}" if n % 100 else "")
    return f"{in_english(n // 1000)} thousand" + (f" {in_english(n % 1000)}" if n % 1000 else "")


def in_chinese(n):
    digits, out, gap = "零一二三四五六七八九", "", False
    for scale, sign in ((10000, "万"), (1000, "千"), (100, "百"), (10, "十"), (1, "")):
        d, n = divmod(n, scale)
        if d:
            out += ("零" if gap and out else "") + (in_chinese(d) if d > 9 else digits[d]) + sign
        gap = d == 0 and bool(out)
    return out or "零"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 99_999))
def test_numbers_in_words_are_read(n):
    assert from_english(in_english(n)) == n
    assert from_chinese(in_chinese(n)) == n
    if n > 1:
        (quantity,) = quantities(f"It has {in_english(n)} parts.", "en")
        assert quantity.number == n
        (quantity,) = quantities(f"共有{in_chinese(n)}个部件。", "zh")
        assert quantity.number == n


@pytest.mark.parametrize(
    ("words", "number"),
    [("a hundred and twenty", 120), ("half a dozen", 6), ("two and a half", 2.5), ("one point five", 1.5)],
)
def test_english_parts_and_scales(words, number):
    assert from_english(words) == number


@pytest.mark.parametrize(
    ("characters", "number"), [("两百五", 250), ("半", 0.5), ("一点五", 1.5), ("3万", 30_000), ("二〇二六", 2026)]
)
def test_chinese_parts_and_scales(characters, number):
    assert from_chinese(characters) == number


@pytest.mark.parametrize(
    ("figures", "number"), [("1,500", 1500), (".5", 0.5), ("1 3/4", 1.75), ("1½", 1.5), ("⅔", 2 / 3)]
)
def test_figures(figures, number):
    assert from_figures(figures) == number


@pytest.mark.parametrize(
    ("text", "sum_"),
    [("nine dollars and ninety-nine cents", 9.99), ("$9.99", 9.99), ("九块九", 9.9), ("50 cents", 0.5)],
)
def test_sums_of_money(text, sum_):
    assert money(text) == sum_
    assert money("no money") != money("no money")  # NaN
