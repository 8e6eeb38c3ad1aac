"""What words, codes and Han text give to the lexical index."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.search.terms import terms_of


def terms(text):
    frame = terms_of(pl.Series("text", [text], pl.String))
    return dict(frame.select("term", "count").iter_rows())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running Shoes", {"=running": 1, "~run": 1, "=shoes": 1, "~shoe": 1}),
        ("TN-2110", {"=tn": 1, "~tn": 1, "=2110": 1, "~2110": 1, "#tn2110": 1}),
        ("RTX2060", {"=rtx": 1, "~rtx": 1, "=2060": 1, "~2060": 1, "#rtx2060": 1}),
        ("43.2 cm", {"=43.2": 1, "~43.2": 1, "=cm": 1, "~cm": 1}),
        ("3/4", {"=3": 1, "~3": 1, "=4": 1, "~4": 1, "#3/4": 1}),
        ("羽绒服", {"'羽": 1, "'绒": 1, "'服": 1, '"羽绒': 1, '"绒服': 1}),
        ("红 红", {"'红": 2}),
        ("ＵＳＢ线", {"=usb": 1, "~usb": 1, "'线": 1}),
        ("café's", {"=cafe": 1, "~cafe": 1}),
        ("", {}),
        (None, {}),
        ("— !!", {}),
    ],
    ids=[
        "words",
        "hyphen",
        "letters and digits",
        "decimal",
        "fraction",
        "han",
        "space",
        "mixed",
        "accent",
        "e",
        "n",
        "p",
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


@pytest.mark.parametrize(("one", "other"), [("12-in", "12in"), ("12in.", "12 in"), ("Wi-Fi", "wi fi")], ids=str)
def test_ways_to_write_a_code_share_terms(one, other):
    assert len(terms(one).keys() & terms(other).keys()) >= 4


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=6))
def test_a_text_gives_the_same_alone_and_in_a_batch(texts):
    frame = terms_of(pl.Series("text", texts, pl.String))
    for row, text in enumerate(texts):
        assert dict(frame.filter(pl.col("row") == row).select("term", "count").iter_rows()) == terms(text)
