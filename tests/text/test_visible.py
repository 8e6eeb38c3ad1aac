"""Texts without a word are found, and nothing that says something is taken for one."""

import time

import pyarrow as pa
import pytest

from shopbatch.text.visible import has_word, is_visible

INVISIBLE = [
    None, "", " \t\r\n", "\u3000\xa0", "\u200b\u200d", "\ufeff \ufeff", "\u2800 \u2800", "\u3164\u115f", "\uffa0",
    "\xad", "\u2060\u180e", "\ufe0f", "\u0301", "\x00\x07", "\U000e0020", "\ufffd", "&nbsp;&nbsp;", "&#8203;",
    "&amp;nbsp;", "<br/><br>", "<div>\n</div>", "<p>\u200b&nbsp;</p>\u2800", "<!-- two good words -->",
    "<script>two good words</script>",
    '<img src="x.png" alt="two good words">',
]  # fmt: skip
SAYS_NOTHING = [
    ".", "...", "!?", "-", "—", "/", "====", "~ | ~", "「」", "nan", "NaN", "N/A", "n/a.", "(null)", "None", '"none"',
    "#N/A", "<NA>", "\\N", "undefined", "\u200bN/A\ufeff", "<p>NULL</p>", "nan&nbsp;",
]  # fmt: skip
SAYS_SOMETHING = [
    "ok", "5", "no", "好", "ㅋㅋ", "да", "हाँ", "مم", "é", "\u200bok", "<b>ok</b>", "&eacute;", "nano",
    "none of it fits", "N/A but fine", "👍", "❤\ufe0f", "👍🏽", "🇫🇮", "1\ufe0f\u20e3", "\U0001fae9", "★★★", "+", "€",
    ":)", ":-(", ":/", "=D", "^_^", "-_-", "<3", "</3", ";_;", "¯\\_(ツ)_/¯", "a < b", "<M>",
]  # fmt: skip


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_words_are_seen(kind: pa.DataType) -> None:
    texts = [*INVISIBLE, *SAYS_NOTHING, *SAYS_SOMETHING]
    word = has_word(pa.array(["x", *texts], kind).slice(1)).to_pylist()
    wrong = [t for t, w in zip(texts, word, strict=True) if w != (t in SAYS_SOMETHING)]
    assert wrong == []
    seen = is_visible(pa.array(["x", *texts], kind).slice(1)).to_pylist()
    assert [t for t, s in zip(texts, seen, strict=True) if s == (t in INVISIBLE)] == []
    assert has_word(pa.array([], kind)).to_pylist() == []


def test_a_text_is_judged_alone_and_fast() -> None:
    texts = [*INVISIBLE, *SAYS_SOMETHING] * 2_000
    began = time.perf_counter()
    assert (
        has_word(pa.array(texts)).to_pylist()
        == [False, *[False] * (len(INVISIBLE) - 1), *[True] * len(SAYS_SOMETHING)] * 2_000
    )
    assert has_word(pa.array(["<p>It keeps the coffee hot.</p>"] * 200_000)).to_pylist() == [True] * 200_000
    assert time.perf_counter() - began < 15  # measured: 2 s
