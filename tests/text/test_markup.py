"""HTML in names and descriptions is read as a browser shows it; what only looks like HTML stays."""

import time

import pyarrow as pa
import pytest

from shopbatch.text.markup import plain, plain_text

READ = {
    "Men&#8217;s Hats &amp; Caps": "Men’s Hats & Caps",
    "Men&amp;#8217;s Hats &amp;amp; Caps": "Men’s Hats & Caps",  # escaped twice
    "CR&EGRAVE;ME BR&Ucirc;L&EACUTE;E &AMP; CO": "CRÈME BRÛLÉE & CO",
    "Salt &amp Pepper&#160;&nbsp; Mill &#x32": "Salt & Pepper Mill 2",
    "<p>Pure <strong>linen</strong>.</p>\n<p>Washed&shy;out.</p>": "Pure linen.\nWashedout.",
    "&lt;ul&gt;&lt;li&gt;Oak&lt;/li&gt;&lt;li&gt;Steel&lt;/li&gt;&lt;/ul&gt;": "Oak\nSteel",
    "CO<sub>2</sub> <span>red</span><span>blue</span>": "CO2 red blue",
    'Mug<img src="m.png" alt="a > b"/><BR CLEAR="all"> blue': "Mug\nblue",
    "<style>p > a {color: red}</style>Lamp<!-- <b>old</b> --> <![CDATA[oak]]>": "Lamp oak",
    'Desk<o:p></o:p> <my-box id="1">oak</my-box>': "Desk oak",
    "<p>&nbsp;</p><br />": "",
    "Mug<script>let a = '<b>'": "Mug",
}
KEPT = [
    "a < b",
    "I <3 it",
    "a <b and c> d",
    "AT&T  shop",
    "Tom & Jerry",
    "<NEW> lamp",
    "<me@shop.example>",
    "5 &unknown; 6",
]
KEPT += ["?a=1&copy=2&lt=3", "&#12345678901;", "", "two\n\nlines  of text"]


@pytest.mark.parametrize("text", READ)
def test_entities_and_tags_are_read(text: str) -> None:
    assert plain(text) == READ[text]
    assert plain(plain(text)) == READ[text]


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_html_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_arrays_are_read_row_by_row_whatever_their_type_or_offset() -> None:
    rows = [None, *READ, *KEPT]
    for kind in (pa.string(), pa.large_string()):
        texts = plain_text(pa.array(["x", *rows], kind).slice(1))
        assert texts.type == kind
        assert texts.to_pylist() == [None, *READ.values(), *KEPT]
    assert plain_text(pa.array([], pa.string())).to_pylist() == []


def test_hostile_and_plain_rows_are_fast() -> None:
    began = time.perf_counter()
    for part in ('<b "', "<", "<b ", "<script>", "<!--", "<a-", "<a:", "&#", "&amp;", "</b> ", "<x y='"):
        plain(part * 20_000)
    titles = pa.array([f"Trail shoes & socks, size < {i}" for i in range(200_000)])
    assert plain_text(titles) is titles
    assert time.perf_counter() - began < 10  # measured: 0.9 s; a pattern that goes back over the text takes minutes
